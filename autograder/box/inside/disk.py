"""How much a process wrote to disk, as the kernel counts it."""

from pathlib import Path


def written(pid: int) -> int:
    """Bytes that a process wrote to disk and did not take back, also into files that no folder shows: deleted ones that
    are still open or mapped. 0 where this kernel does not count them, or does not tell us; files in memory (tmpfs) are
    not counted. What was on the disk before it was taken back counts as well."""
    try:
        counted = dict(line.split(": ") for line in Path(f"/proc/{pid}/io").read_text().splitlines())
    except OSError:
        return 0
    return max(0, int(counted["write_bytes"]) - int(counted["cancelled_write_bytes"]))
