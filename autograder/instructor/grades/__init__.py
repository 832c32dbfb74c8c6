"""Grades of a class: the sheet grades.csv (sheet.py), lateness (lateness.py), Canvas's own file (canvas.py)."""
