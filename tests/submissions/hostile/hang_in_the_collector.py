"""Hangs whenever Python collects garbage, and calls for that all the time."""

import gc
import time


def hang(phase, info):
    time.sleep(600)


def answer(right, original_samples, noise, timesteps):
    gc.callbacks.append(hang)
    gc.set_threshold(1)
    return [[] for _ in range(10_000)] and right()
