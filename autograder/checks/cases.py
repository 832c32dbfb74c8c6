"""Inputs that several checks share. Shapes are small, and B = W: there a table of shape (B,) broadcasts over the
columns without an error. They are drawn like all numbers, so that being right for one shape is of no use."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from ..language import N_, _

if TYPE_CHECKING:
    from ..expect import Expect


def shape_of_images(expect: Expect, least: int = 3) -> tuple[int, int, int, int]:
    """(B, C, H, W), B at least so large."""
    size, channels, height = expect.draw(lambda rng: rng.integers((least, 1, 1), (least + 2, 5, 5))).tolist()
    return size, channels, height, size


def batch(expect: Expect, T: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(x_0, epsilon, timesteps) with a timestep of its own per image, both ends among them."""
    shape = shape_of_images(expect, least=4)
    timesteps = expect.integers(1, T - 1, shape[0])
    timesteps = np.concatenate([[0, T - 1], timesteps[2:]])
    return expect.normal(*shape), expect.normal(*shape), timesteps


def reverse_inputs(expect: Expect) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(model_output, x_t, z). x_t and the output are independent, so x0_hat leaves [-1, 1] at many pixels."""
    shape = shape_of_images(expect)
    return expect.normal(*shape), expect.normal(*shape), expect.normal(*shape)


def timesteps_of(expect: Expect, T: int) -> list[int]:
    """Timesteps that tell formulas apart: both ends, the one beside the end, one early, one anywhere."""
    return [0, 1, expect.integer(2, T // 20), expect.integer(T // 20, T - 2), T - 1]


def settings_and_timesteps(expect: Expect, T: int) -> Iterator[tuple[dict[str, str | bool], str, list[int]]]:
    """(settings, how to call them, timesteps) for each prediction type, with and without clipping: many timesteps
    for the plainest settings, two for each of the others."""
    for prediction_type in expect.prediction_types:
        for clip_sample in (False, True):
            settings = {"prediction_type": prediction_type, "clip_sample": clip_sample}
            plain = settings == {"prediction_type": "epsilon", "clip_sample": False}
            drawn = [expect.integer(T // 40, T // 10), expect.integer(T // 10, T - 2)]
            timesteps = timesteps_of(expect, T) if plain else drawn
            says = N_("for {kind}, clipped") if clip_sample else N_("for {kind}, not clipped")
            yield settings, _(says, kind=prediction_type), timesteps


def some_of(listed: Sequence[int]) -> Iterable[int]:
    """Timesteps of a short list: both ends, the middle, and the second, where a constant stride is already wrong."""
    return dict.fromkeys((listed[0], listed[min(1, len(listed) - 1)], listed[len(listed) // 2], listed[-1]))


def float64(*arrays: np.ndarray) -> tuple[np.ndarray, ...]:
    return tuple(array.astype(np.float64) for array in arrays)
