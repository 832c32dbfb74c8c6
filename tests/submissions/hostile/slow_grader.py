"""Takes processor time from the grader: its priority, its processors, its class."""
import os


def attack():
    worked = []
    for name, change in (
        ("priority", lambda: os.setpriority(os.PRIO_PROCESS, TARGETS["grader"], 0)),
        ("processors", lambda: os.sched_setaffinity(TARGETS["grader"], range(os.cpu_count()))),
        ("class", lambda: os.sched_setscheduler(TARGETS["grader"], os.SCHED_OTHER, os.sched_param(0))),
    ):
        try:
            change()
            worked.append(name)
        except OSError:
            pass
    if not worked:
        raise PermissionError("nothing could be changed")
    return worked
