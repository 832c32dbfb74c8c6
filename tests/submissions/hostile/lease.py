"""Takes a lease on a file, so that whoever opens it next waits: with the grader's user, on files of Python itself."""
import fcntl


def attack():
    open("leased", "w").close()
    with open("leased") as file:
        fcntl.fcntl(file, fcntl.F_SETLEASE, fcntl.F_WRLCK)
        fcntl.fcntl(file, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    return "a lease"
