"""Makes semaphores and memory with names, which other processes of the same user find."""

from multiprocessing import shared_memory, synchronize


def attack():
    made = []
    for make in (
        lambda: shared_memory.SharedMemory("ddpm-hostile", True, 64),
        lambda: synchronize.SemLock(1, 1, 1, ctx=None),
    ):
        try:
            one = make()
            made.append(type(one).__name__)
            one.unlink()
        except (OSError, AttributeError, TypeError) as error:
            last = error
    if not made:
        raise last
    return made
