"""Raises an exception whose name has as many letters as a book has not."""


def answer(right, original_samples, noise, timesteps):
    raise type("E" * 80_000_000, (Exception,), {})
