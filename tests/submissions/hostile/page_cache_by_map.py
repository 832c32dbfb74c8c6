"""The same by mincore."""
import ctypes
import mmap


def attack():
    libc = ctypes.CDLL(None, use_errno=True)
    with open(__file__) as file:
        mapped = mmap.mmap(file.fileno(), 1, mmap.MAP_PRIVATE)  # one's own to write to, so that it tells its address
    pages = ctypes.create_string_buffer(1)
    address = ctypes.addressof(ctypes.c_char.from_buffer(mapped))
    if libc.mincore(ctypes.c_void_p(address), ctypes.c_size_t(1), pages):
        raise OSError(ctypes.get_errno(), "mincore")
    return pages.raw
