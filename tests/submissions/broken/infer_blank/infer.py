"""Only the docstring is left."""

# TODO
pass
