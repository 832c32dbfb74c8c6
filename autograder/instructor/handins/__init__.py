"""What a class handed in: downloads of platforms become one list of students and their files.

Each hand-in belongs to one student and none is lost (matching.py).
"""
