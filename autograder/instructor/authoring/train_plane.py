"""Train the two networks of the spiral that `make look` shows: plane.safetensors and plane_flow.safetensors in
autograder/look/. A minute on a CPU.

python -m autograder.instructor.authoring.train_plane
"""

from __future__ import annotations

import sys
from itertools import pairwise

import numpy as np
import torch
from rich.progress import track
from safetensors.torch import save

from ...files import write
from ...look.plane import FEATURES, FLOW, SETTINGS, WEIGHTS, answer, features, spiral
from ...paths import ROOT

sys.path.insert(0, str(ROOT / "solution"))
from scheduler import DDPMScheduler, FlowMatchScheduler

WIDTH, STEPS, BATCH_SIZE, RATE = 32, 8000, 512, 1e-2


def main() -> None:
    for path, scheduler in ((WEIGHTS, DDPMScheduler(**SETTINGS)), (FLOW, FlowMatchScheduler())):
        weights, loss = trained(scheduler)
        write(path, save(weights))
        size, number = path.stat().st_size, sum(map(torch.numel, weights.values()))
        print(f"{path.name}: loss {loss:.3f}; {number:,} parameters, {size:,} bytes")


def trained(scheduler: DDPMScheduler, steps: int = STEPS) -> tuple[dict[str, torch.Tensor], float]:
    """(weights, mean loss of the last steps) of a run of Algorithm 1 of the DDPM paper with the target get_velocity."""
    generator = torch.Generator().manual_seed(0)
    sizes = (FEATURES, WIDTH, WIDTH, WIDTH, 2)
    weights = {}
    for layer, (a, b) in enumerate(pairwise(sizes)):
        weights[f"weight{layer}"] = torch.randn(a, b, generator=generator) / a**0.5
        weights[f"bias{layer}"] = torch.zeros(b)
    data = torch.from_numpy(spiral(20_000, seed=0)[0])[:, :, None, None]
    optimizer = torch.optim.Adam([weight.requires_grad_() for weight in weights.values()], lr=RATE)
    decay = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    losses = []
    for _ in track(range(steps), "Training the network of the plane", transient=True):
        x0 = data[torch.randint(len(data), (BATCH_SIZE,), generator=generator)]
        t = torch.randint(1000, (BATCH_SIZE,), generator=generator)
        noise = torch.randn(x0.shape, generator=generator)
        x_t = scheduler.add_noise(x0, noise, t)
        told = torch.from_numpy(features(x_t[:, :, 0, 0].numpy(), t.numpy()))
        loss = (answer(weights, told) - scheduler.get_velocity(x0, noise, t)[:, :, 0, 0]).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        decay.step()
        losses.append(loss.item())
    return {name: weight.detach() for name, weight in weights.items()}, float(np.mean(losses[-500:]))


if __name__ == "__main__":
    main()
