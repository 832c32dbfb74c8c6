"""Answers rightly, and changes the answer from a thread while it is written out."""

import threading


def answer(right, original_samples, noise, timesteps):
    x = right()

    def change():
        for _ in range(20_000):
            x.zero_()

    threading.Thread(target=change, daemon=True).start()
    while x.any():
        pass
    return x
