"""Plants a file beside torch, which every later Python would load."""
import os

import torch


def attack():
    path = os.path.dirname(os.path.dirname(torch.__file__)) + "/hostile.pth"
    open(path, "x").close()
    os.unlink(path)
    return path
