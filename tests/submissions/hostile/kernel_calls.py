"""Makes system calls with a history of holes: io_uring, userfaultfd, perf, bpf, keys, new file systems."""
import ctypes


def attack():
    libc = ctypes.CDLL(None, use_errno=True)
    memory = ctypes.create_string_buffer(4096)
    calls = {
        "io_uring_setup": (425, 1, memory), "userfaultfd": (323, 0), "perf_event_open": (298, memory, 0, -1, -1, 0),
        "bpf": (321, 0, memory, 64), "keyctl": (250, 0, -3, 1), "add_key": (248, b"user", b"x", b"y", 1, -3),
        "io_setup": (206, 1, memory), "fsopen": (430, b"tmpfs", 0), "open_tree": (428, -100, b"/", 1),
        "fanotify_init": (300, 0, 0), "memfd_secret": (447, 0), "kcmp": (312, 1, 1, 0, 0, 0),
    }  # fmt: skip
    worked = [name for name, call in calls.items() if libc.syscall(*call) >= 0]
    if not worked:
        raise OSError(ctypes.get_errno(), "all of them")
    return worked
