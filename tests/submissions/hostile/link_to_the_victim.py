"""Writes through links of every kind that it makes in its own folder."""

import os


def attack():
    worked = []
    os.symlink(TARGETS["victim"], "soft")
    os.symlink(TARGETS["scene"] + "/outside", "folder")
    for path in ("soft", "folder/new"):
        try:
            open(path, "a").close()
            worked.append(path)
        except OSError:
            pass
    try:
        os.link(TARGETS["victim"], "hard")
        worked.append("hard")
    except OSError:
        pass
    if not worked:
        raise PermissionError("no link")
    return worked
