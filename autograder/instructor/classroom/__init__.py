"""A whole class: collected, graded on every core or on a cluster, regraded, and shown on one page.

The folder of a class, outside git:

    roster.csv                 who is in the class (roster.py), where somebody gave one
    aliases.csv, teams.csv     whose a stranger's hand-in is, and who works together (collecting.py)
    exceptions.csv             what is agreed with single students (grades/exceptions.py)
    submissions/<student>/     allow-listed copies of what was handed in, and <student>~<digest>/ of what was handed in
                               before it (taking.py)
    kept/<student>.json        what grading found so far, each written as soon as it is known (keeping.py, store.py)
    results/<student>/         report.html and results.json, made from what is kept (publishing.py)
    withheld/<student>/        the same of students who may not see theirs
    feedback/<student>.html    what the student gets once the report is marked (gradebook/feedback.py)
    regraded/                  a regrade that is not yet published: kept/ of its own, and changes.csv (regrading.py)
    overrides.toml             points given by hand, with a reason; only ever read
    grades.csv, index.html     the class as a table and as a page, for staff

What a platform calls files and people is known to platforms.py, where they lie to downloads.py, and whose they are to
matching.py. A run over the folder is session.py; grading happens in workers (working.py), which are processes of this
machine or of a Dask cluster behind the same interface (pools.py), as running.py hands it out.
"""
