"""All that is mounted into the box: runs beside student code, imports nothing of the grader, and holds no secret.

Each file is found by its path there, so these modules import each other by bare names.
"""
