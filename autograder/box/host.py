"""What this host offers to confine student code: the strongest box it allows, and the doctor's explanation of it."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from . import Box, clock
from .gpu import Access
from .launch import BoxError
from .layers import ALL, Layers, is_weaker
from .selftest import NAMES

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path


def strongest(limits: dict[str, Any], secrets: Sequence[Path] = ()) -> Box:
    """The strongest box of this host whose self-test finds everything blocked; else the one that blocks most.

    secrets  files that student code must never read
    """
    boxes: list[Box] = []
    broken: BoxError | None = None
    for layers in candidates(Layers.of_this_host()):
        box = Box(limits, layers, secrets=secrets)
        try:
            blocked = not box.not_blocked
        except BaseException as error:  # also Ctrl-C, as this takes seconds
            box.close()
            if not isinstance(error, BoxError):
                raise
            broken = error
            continue
        boxes.append(box)
        if blocked:
            break
    if not boxes:
        assert broken is not None  # there is always a candidate
        raise broken
    best = min(boxes, key=lambda box: len(box.not_blocked))
    for box in boxes:
        if box is not best:
            box.close()
    return best


def candidates(layers: Layers) -> Iterator[Layers]:
    """Layers to try in turn: all there are, then without those that may seem to work and do not."""
    yield layers
    if layers.bubblewrap:
        layers = replace(layers, bubblewrap="", missing=layers.missing | {"bubblewrap": "it fails the self-test here"})
        yield layers
    if layers.user is not None:
        yield replace(layers, user=None, missing=layers.missing | {"spare user": "it fails the self-test here"})


def doctor(box: Box, minimum: str) -> list[str]:
    """What this host offers, what is missing and how to get it, as lines of text. `minimum` is the tier demanded."""
    layers, lines = box.layers, [f"The box reaches tier {box.tier} here: {ALL[box.tier]}."]
    present: dict[str, object] = {
        "bubblewrap": layers.bubblewrap,
        "Landlock": layers.landlock and f"version {layers.landlock} of the kernel's interface",
        "seccomp": layers.seccomp and "works",
    }
    if layers.user is not None or "spare user" in layers.missing:
        present["spare user"] = layers.user and f"boxed processes run as user {layers.user}"
    for layer, how in present.items():
        why = layers.missing.get(layer) or layers.missing.get("Linux")
        lines.append(f"  {layer:<12} {how or f'not used: {why}'}")
    if box.not_blocked:
        lines.append(f"Self-test: of {len(NAMES)} forbidden things, {len(box.not_blocked)} were not blocked:")
        lines += [f"  {name}" for name in box.not_blocked]
    else:
        lines.append(f"Self-test: {len(NAMES)} forbidden things were tried, and all were blocked.")
    counts = "without waiting for a processor" if clock.counts_waiting("self") else "as processor time"
    lines.append(f"Time limits: the student's time, {counts}.")
    lines += about_gpu(box)
    if is_weaker(box.tier, minimum):
        lines.append(
            f"Grading others needs tier {minimum} (minimum_tier in autograder/rubric.toml): refused here. "
            "Grading yourself works everywhere."
        )
    else:
        lines.append(f"Grading others needs tier {minimum} (minimum_tier in autograder/rubric.toml): allowed here.")
    if box.tier == "B" and minimum == "B":
        lines.append("At tier B, student code can find out whether a path it guesses exists, and how large it is.")
    return lines


def about_gpu(box: Box) -> Iterator[str]:
    """Whether training runs on a GPU here, and if not, why, as lines of text."""
    gpu, nodes = box.find_gpu(), Access.of_this_process().nodes
    if gpu:
        yield f"GPU: {gpu.name} works in the box, and training uses it."
    elif box.gpu_fault:
        yield f"GPU: not used, as {box.gpu_fault}. Training runs on the CPU, for the same points."
    else:
        yield "GPU: none. Training runs on the CPU, for the same points."
    if nodes:
        yield f"  device files that only a process near the GPU may open: {', '.join(nodes)}"
    if os.path.exists("/proc/driver/nvidia") and "/dev/nvidia-uvm" not in nodes:
        yield "  /dev/nvidia-uvm is missing: `nvidia-modprobe -u -c 0` makes it, as any CUDA program does"
