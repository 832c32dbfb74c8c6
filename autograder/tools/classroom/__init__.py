"""A whole class: who is in it, what they handed in, and what comes of it."""
