"""Makes itself root of a small world of its own, and mounts and changes the root folder there."""
import ctypes


def attack():
    libc = ctypes.CDLL(None, use_errno=True)
    worked = []
    for name, call in {
        "unshare": lambda: libc.unshare(0x10000000),
        "mount": lambda: libc.mount(b"none", b".", b"tmpfs", 0, None),
        "chroot": lambda: libc.chroot(b"."),
        "personality": lambda: libc.personality(0x0040000) and -1,
    }.items():
        if call() == 0:
            worked.append(name)
    if not worked:
        raise OSError(ctypes.get_errno(), "all of them")
    return worked
