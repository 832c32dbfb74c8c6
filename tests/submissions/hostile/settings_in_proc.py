"""Changes what the kernel keeps of its process: whom it kills first without memory, which session goes first."""


def attack():
    worked = []
    for name, value in (("oom_score_adj", "0"), ("autogroup", "0"), ("timerslack_ns", "1"), ("comm", "grader")):
        try:
            with open(f"/proc/self/{name}", "w") as file:
                file.write(value)
            worked.append(name)
        except OSError:
            pass
    if not worked:
        raise PermissionError("none of them")
    return worked
