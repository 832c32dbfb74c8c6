"""Returns its input."""


def answer(right, original_samples, noise, timesteps):
    return original_samples
