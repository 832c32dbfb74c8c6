"""Changes its own staged file, for the next process to import."""


def attack():
    return open(__file__, "a").fileno()
