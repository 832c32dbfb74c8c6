"""Reads the memory of the parent by a system call that needs no file."""
import ctypes
import os


def attack():
    libc = ctypes.CDLL(None, use_errno=True)
    buffer = ctypes.create_string_buffer(8)
    here = (ctypes.c_uint64 * 2)(ctypes.addressof(buffer), 8)
    there = (ctypes.c_uint64 * 2)(id(os), 8)  # the parent was forked from: the same addresses
    if libc.process_vm_readv(os.getppid(), here, 1, there, 1, 0) < 0:
        raise OSError(ctypes.get_errno(), "process_vm_readv")
    return buffer.raw
