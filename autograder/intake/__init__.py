"""One hand-in: what `make submit` packs, and how the grader reads it.

Bytes that a student sent are parsed in a child process with limits of its own (parsing.py), never in the grader.
"""
