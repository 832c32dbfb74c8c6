"""Changes settings of the system, and joins a group of processes without limits."""


def attack():
    changed = []
    for path in ("/proc/self/oom_score_adj", "/proc/sys/kernel/core_pattern", "/sys/fs/cgroup/cgroup.procs"):
        try:
            open(path, "r+").close()
            changed.append(path)
        except OSError:
            pass
    if not changed:
        raise PermissionError("no setting")
    return changed
