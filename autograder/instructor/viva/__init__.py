"""Five minutes of talk: for each student a page with five questions about their own work, and answers.

A perfect file says little about who understood it; a minute with a line of one's own says more. Every answer is
computed: by the student's code in the box, as it is, up to a line, or with one change; or by what the class run found.

collecting  from the folder of a class to a desk
desk        what is known of one student
source      which places of a file can be asked about, found in the room of intake/parsing.py; notebook, likewise
lab         the student's code at work in the box
measures    its formulas as numbers
questions/  one module for each kind of question: asked(desk) yields them in the order of the draw
drawing     five of them
page        the page
"""
