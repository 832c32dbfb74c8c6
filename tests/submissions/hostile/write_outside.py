"""Writes a file into a folder that everybody may write to."""


def attack():
    return open(TARGETS["outside"] + "/written", "w").write("here")
