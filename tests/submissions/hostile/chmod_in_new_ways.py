"""Changes the mode of a file by system calls that older filters do not know."""
import ctypes


def attack():
    libc = ctypes.CDLL(None, use_errno=True)
    path = TARGETS["victim"].encode()
    worked = [number for number in (452, 463, 466) if libc.syscall(number, -100, path, 0o666, 0, 0, 0) == 0]
    if not worked:
        raise OSError(ctypes.get_errno(), "fchmodat2, setxattrat")
    return worked
