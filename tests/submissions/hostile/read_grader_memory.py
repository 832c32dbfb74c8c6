"""Opens the memory of the grader."""


def attack():
    return open(f"/proc/{TARGETS['grader']}/maps").read()[:80], open(f"/proc/{TARGETS['grader']}/mem", "rb").fileno()
