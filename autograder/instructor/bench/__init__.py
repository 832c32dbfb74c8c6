"""What things cost, each beside something else in the same run: one grade, the box, training, sampling, nbgrader's
stage, a whole class. Each module prints a table; README.md quotes them."""
