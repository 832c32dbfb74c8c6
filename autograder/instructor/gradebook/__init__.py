"""nbgrader as the gradebook: students' reports are marked in its formgrader, and the points of the other parts come
from the grade records. No student code runs here: what nbgrader would execute in a kernel was graded in the box.

`course` lays the folder and configures nbgrader; `filling` puts in hand-ins and points, through `restoring` and
`scores`, which nbgrader calls where it would call its own; `formgrader` is where staff marks, and `guide` shows how;
`late` and `results` make the result, and `feedback` the page of it for a student.
"""
