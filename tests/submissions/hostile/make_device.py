"""Makes a device file of a disk in its scratch folder."""
import os
import stat


def attack():
    os.mknod("disk", 0o600 | stat.S_IFBLK, os.makedev(254, 0))
    return "made"
