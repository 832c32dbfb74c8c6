"""Writes the results that it would like to have."""


def attack():
    return open(TARGETS["outside"] + "/results.json", "w").write('{"score": 80}')
