"""Leaves a file in /tmp or in shared memory, for the next submission to find."""


def attack():
    left = []
    for folder in ("/tmp", "/dev/shm", "/var/tmp"):
        try:
            open(f"{folder}/hostile-note", "w").close()
            left.append(folder)
        except OSError:
            pass
    if not left:
        raise PermissionError("nowhere to write")
    return left
