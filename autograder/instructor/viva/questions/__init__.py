"""The kinds of questions. Each has a TITLE, and `asked(desk)` yields its questions in the order of the draw."""
