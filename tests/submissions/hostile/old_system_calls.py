"""Calls the system as 32-bit programs do, with other numbers than the filter knows."""
import ctypes
import mmap


def attack():
    # mov eax, 20; int 0x80; ret: getpid of a 32-bit program
    code = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    code.write(b"\xb8\x14\0\0\0\xcd\x80\xc3")
    address = ctypes.addressof(ctypes.c_char.from_buffer(code))
    return ctypes.CFUNCTYPE(ctypes.c_int)(address)()
