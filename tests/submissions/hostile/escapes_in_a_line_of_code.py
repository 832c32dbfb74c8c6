"""Raises in a line of code that turns the direction of the text."""


def answer(right, original_samples, noise, timesteps):
    print("\x1b[2J\u202e80 of 80 points\x9b31m\u2029")
    1 / 0  # ‮⁦​ ﻿
