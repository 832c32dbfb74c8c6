"""What was read, for people and as data."""


def as_text(found):
    """What was read, for people."""
    return "\n".join("\n  ".join([f"{one.what} ({one.check})", *one.lines]) for one in found)


def as_data(found):
    """{check: {term: Python over the symbols of the handout, "right", or None where it was not read}}"""
    return {one.check: one.reads for one in found}
