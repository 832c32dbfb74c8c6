"""Who wrote too much alike: scheduler.py and infer.py of a class compared with each other, shown to staff and to nobody
else. What comes out is a reason to look, and decides nothing.

own_code   what of a file is a student's own: statements by function, as the engine writes them, without given ones
comparing  which passages of it two students share that few others have
page       similar.html, where somebody can look

The engine is copydetect: it takes names, comments and spaces out of the code and finds what is left of it elsewhere.
It is fed function by function, because in a skeleton with sixty short answers its passages would cross from a student's
line into the given one, and two honest students share that seam. See README.md for the measure of this.
"""
