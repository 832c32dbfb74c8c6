"""A zip without a scheduler.py whose members have names that act on terminals, pages and file systems."""

import zipfile


def make(path, scheduler):
    with zipfile.ZipFile(path, "w") as file:
        for name in (
            "\x1b[2Jscheduler.py",
            "\u202eyp.reludehcs",
            "<script>alert(1)</script>",
            "scheduler.py\u200b",
            "a" * 900,
        ):
            file.writestr(name, scheduler)
