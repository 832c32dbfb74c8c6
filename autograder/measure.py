"""What the grader measures itself on what came out of the box: weights and pictures. Numbers in, numbers out.

Only these measurements need torch in the grader's process, so it is imported where it is used: grading the exact parts
does without. What came out of the box may be anything: it is read as safetensors and as PNG, never unpickled, and in a
process of its own (outputs.py).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from . import given
from .intake.parsing import Unparsable, parse
from .language import _, together
from .record import BAD_OUTPUT, Failed


def held_out_loss(
    checkpoint: bytes, unet: Mapping[str, Any], x_t: np.ndarray, t: np.ndarray, target: np.ndarray
) -> float:
    """The mean squared error of trained weights on digits that they were not trained on.

    checkpoint   a safetensors file
    unet         arguments of the network
    x_t, target  float32 (N, 1, 28, 28)
    t            int64 (N,)
    Raises Failed unless the checkpoint holds finite float32 weights of just this network.
    """
    import torch

    network = given.module("unet").UNet(**unet)
    weights = {name: torch.from_numpy(array) for name, array in tensors(checkpoint, _("the checkpoint")).items()}
    shapes = {name: value.shape for name, value in network.state_dict().items()}
    if {name: value.shape for name, value in weights.items()} != shapes:
        raise Failed(BAD_OUTPUT, _("the trained weights are not those of the network"))
    kinds = {str(value.dtype).removeprefix("torch.") for value in weights.values()}
    if kinds != {"float32"}:
        told = _(
            "the trained weights must be float32, got {kinds}; does scheduler.py call torch.set_default_dtype? It "
            "changes the network, too",
            kinds=together(sorted(kinds)),
        )
        raise Failed(BAD_OUTPUT, told)
    if not all(torch.isfinite(value).all() for value in weights.values()):
        raise Failed(BAD_OUTPUT, _("the trained weights contain NaN or infinite values"))
    network.load_state_dict(weights)
    with torch.inference_mode():
        output = network(torch.from_numpy(x_t), torch.from_numpy(t))
    return float(np.square(np.float64(output.numpy()) - target).mean())


def network(checkpoint: Path) -> tuple[dict[str, Any], Callable[..., np.ndarray]]:
    """(settings of the schedulers, what the network answers to x (N, 1, 28, 28), t and, where it knows labels, some of
    these (N,)) of a checkpoint of ours."""
    import torch

    from . import networks

    trained, settings = networks.load(checkpoint)

    def output(x: np.ndarray, t: int, *labels: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            known = (torch.from_numpy(np.array(each)) for each in labels)
            return trained(torch.from_numpy(np.array(x, np.float32)), torch.full((len(x),), t), *known).numpy()

    return settings, output


def digits(samples: np.ndarray) -> dict[str, Any]:
    """What the kit's classifier says of samples (N, 1, 28, 28): see `measure` in classifier.py."""
    import torch

    return given.module("classifier").measure(torch.from_numpy(np.array(samples)))


def tensors(content: bytes, name: str) -> dict[str, np.ndarray]:
    """The arrays of a safetensors file that came out of the box, by their names.

    name  what messages call the file
    """
    try:
        found = parse("autograder.intake.outputs", "tensors", content)
    except Unparsable as why:
        raise Failed(BAD_OUTPUT, _("{name} is not a safetensors file", name=name), str(why)) from None
    return {key: np.frombuffer(data, dtype).reshape(shape).copy() for key, (dtype, shape, data) in found.items()}


def pixels(content: bytes, name: str) -> np.ndarray:
    """(H, W) uint8 of a PNG that came out of the box, whether it is grey or coloured in grey."""
    try:
        shape, data = parse("autograder.intake.outputs", "pixels", content)
    except Unparsable as why:
        raise Failed(BAD_OUTPUT, _("{name} cannot be read as a PNG", name=name), str(why)) from None
    array = np.frombuffer(data, np.uint8).reshape(shape)
    if np.ptp(array, axis=2).any():
        raise Failed(BAD_OUTPUT, _("{name} has colours; digits are grey", name=name))
    return array[..., 0]
