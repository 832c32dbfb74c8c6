"""Opens whatever devices there are."""
import glob


def attack():
    opened = []
    for path in ("/dev/mem", "/dev/kmsg", "/dev/fuse", "/dev/net/tun", "/dev/kvm", "/dev/ptmx", *glob.glob("/dev/vd*")):
        try:
            open(path, "rb").close()
            opened.append(path)
        except OSError:
            pass
    if not opened:
        raise PermissionError("no device")
    return opened
