"""Diffusion of points in the plane: data on a spiral, and a small network that knows it.

The spiral is that of the report's warm-up. A point is an "image" of one pixel with two channels. The network is kept in
plane.safetensors, and one of flow matching in plane_flow.safetensors; instructor/authoring/train_plane.py makes both.
Here and there they run with `answer`, over arrays and tensors.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from safetensors.numpy import load

if TYPE_CHECKING:
    from collections.abc import Mapping

WEIGHTS, FLOW = (Path(__file__).parent / f"{name}.safetensors" for name in ("plane", "plane_flow"))
SETTINGS = {"prediction_type": "v_prediction", "clip_sample": False}  # of the scheduler; clipping comes after 3.4
PLACES, TIMES = 3, 8  # how many frequencies of a point and of its timestep the network sees
FEATURES = 2 + 4 * PLACES + 2 * TIMES


def spiral(number: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """(points, where on the spiral each is): float32 (N, 2) in [-1, 1], with a little noise, and (N,) from 0 to 1."""
    random = np.random.RandomState(seed)
    u = random.uniform(size=number)
    angle, radius = 3 * np.pi * u, 0.15 + 0.75 * u
    points = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)
    return np.float32(points + 0.02 * random.standard_normal(points.shape)), u  # pyrefly: ignore[bad-return]


def off(points: np.ndarray) -> float:
    """How far points (N, 2) are from the spiral, on average: each from the nearest of many on it."""
    spots = spiral(2000, seed=2)[0]
    return float(np.linalg.norm(points[:, None] - spots, axis=2).min(axis=1).mean())


def network(x: np.ndarray, t: int, weights: Path = WEIGHTS) -> np.ndarray:
    """What a shipped network says of points (N, 2, 1, 1), all at timestep t: v, of the same shape."""
    points = x.reshape(len(x), 2)
    with np.errstate(over="ignore"):  # in exp(-h), for points that are far away
        return answer(load(weights.read_bytes()), features(points, np.full(len(points), t))).reshape(x.shape)


def features(points: np.ndarray, t: np.ndarray) -> np.ndarray:
    """What the network is told of points (N, 2) at timesteps (N,): float32 (N, FEATURES). Sines and cosines of several
    frequencies show it fine detail."""
    places = (np.pi * points[:, :, None] * 2.0 ** np.arange(PLACES)).reshape(len(points), -1)
    angles = np.concatenate([places, t[:, None] / 1000 * 2.0 ** np.arange(TIMES)], axis=1)
    return np.float32(np.concatenate([points, np.sin(angles), np.cos(angles)], axis=1))  # pyrefly: ignore[bad-return]


def answer(weights: Mapping[str, Any], h: Any) -> Any:
    """The layers over features, with SiLU between them.

    weights  {"weight0", "bias0", ...}
    """
    last = len(weights) // 2 - 1
    for layer in range(last + 1):
        h = h @ weights[f"weight{layer}"] + weights[f"bias{layer}"]
        if layer < last:
            h = h / (1 + math.e**-h)
    return h
