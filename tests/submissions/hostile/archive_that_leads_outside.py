"""A zip with a right scheduler.py, and members that lie above, at the root and on another drive."""

import zipfile


def make(path, scheduler):
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("scheduler.py", scheduler)
        for name in ("../../tmp/hostile-note", "/tmp/hostile-note", "C:\\hostile-note", "..\\hostile-note"):
            file.writestr(name, "x")
