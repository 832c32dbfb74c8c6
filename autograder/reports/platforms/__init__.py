"""What other platforms than Gradescope read: one module for each, a pure function from a grade record to text.

`python -m autograder grade --platform NAME` writes it beside the other reports. A record with an ungraded check has no
score in any of them: a fault of ours must not become points lost.
"""
