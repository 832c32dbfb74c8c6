"""Returns complex numbers."""


def answer(right, original_samples, noise, timesteps):
    return right().to(dtype=__import__("torch").complex64)
