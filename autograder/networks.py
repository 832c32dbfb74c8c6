"""Trained networks outside the box: a checkpoint's network, and samples of a network by a scheduler's own steps.

That is what students write as infer.py, so no file that lies beside theirs has it. The kit needs it for the points in
the plane of report.ipynb, the bits of study.py and the figures.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file

from . import given
from .language import _

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def load(checkpoint: Path) -> tuple[torch.nn.Module, dict[str, Any]]:
    """(network, settings of the schedulers) of a checkpoint. ValueError, in one line, for a file that is none."""
    try:
        with safe_open(checkpoint, "pt") as file:
            settings = json.loads(file.metadata()["config"])
        network = given.module("unet").UNet(**settings.pop("unet")).eval()
        network.load_state_dict(load_file(checkpoint))
    except (OSError, SafetensorError, TypeError, KeyError, ValueError, RuntimeError) as error:
        told = " ".join(str(error).split())[:200]
        raise ValueError(_("{file} is not a checkpoint of train.py: {why}", file=checkpoint, why=told)) from None
    return network, settings


@torch.inference_mode()
def sample(
    network: Callable[[torch.Tensor, torch.Tensor], torch.Tensor],
    scheduler: Any,
    x: torch.Tensor,
    steps: int,
    **options: Any,
) -> torch.Tensor:
    """What a scheduler makes of noise `x` (N, C, H, W) in so many steps, clamped to [-1, 1].

    options  of every step, such as eta and generator
    """
    scheduler.set_timesteps(steps)
    for t in scheduler.timesteps.tolist():
        answer = network(x, torch.full((len(x),), t, device=x.device))
        x = scheduler.step(answer, t, x, **options)
    return x.clamp(-1, 1)
