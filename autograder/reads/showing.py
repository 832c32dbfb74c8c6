"""What was read, for people and as data."""


def as_text(found):
    """What was read, for people."""
    blocks = [[f"{one.what} ({one.check})", *map(str, one.lines), *one.cases] for one in found]
    return "\n".join("\n  ".join(block) for block in blocks)


def as_data(found):
    """{check: {term: Python over the symbols of the handout, "right", or None where it was not read}}"""
    return {one.check: one.reads for one in found}
