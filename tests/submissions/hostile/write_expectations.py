"""Opens the recorded expectations to overwrite them."""


def attack():
    return open(TARGETS["expectations"], "r+b").fileno()
