"""Makes queues and semaphores that outlive the process."""
import ctypes


def attack():
    libc = ctypes.CDLL(None, use_errno=True)
    queue, semaphore = libc.msgget(0, 0o1600), libc.semget(0, 1, 0o1600)
    if queue < 0 and semaphore < 0:
        raise OSError(ctypes.get_errno(), "msgget")
    libc.msgctl(queue, 0, None)
    libc.semctl(semaphore, 0, 0)
    return queue
