"""Spins at import."""
while True:
    pass
