"""Has the right answer, and does not return it."""
import time


def answer(right, original_samples, noise, timesteps):
    right()
    time.sleep(600)
