"""Back to the LMS: feedback in the form in which each platform takes it, under the numbers by which it knows a hand-in
(feedback_files.py), its own files of grades filled in (canvas_export.py, moodle_worksheet.py), and Canvas by its API
(canvas_api.py). What students get is made elsewhere; here nothing is graded."""


class LMSError(ValueError):
    """Nothing can be given back to an LMS, for this reason."""
