"""Grades of a class: the sheet grades.csv (sheet.py), lateness (lateness.py), what is agreed with single students
(exceptions.py), which of several hand-ins counts (attempts.py)."""
