"""Sends a short message that takes much memory once it is read."""
import os
import struct


def answer(right, original_samples, noise, timesteps):
    body = b"\xdd" + struct.pack(">I", 60_000_000) + b"\x80" * 60_000_000
    message = memoryview(struct.pack("<I", len(body)) + body)
    while message:
        message = message[os.write(4, message) :]
    return noise
