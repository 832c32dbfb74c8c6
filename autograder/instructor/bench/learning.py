"""`make bench-training`: what the same processor time of training comes to, with train.py and with the loop of unit 2
of the Hugging Face course on diffusion models (without its labels): the same digits, thread and judge, in turn.

Theirs: UNet2DModel of diffusers with (32, 64, 64) channels, DDPMScheduler with squaredcos_cap_v2, the mean squared
error of epsilon, batches of 128, Adam at 1e-3, float32. Judged by 1,000 samples from one noise, DDIM with 50 steps.
"""

import argparse
import functools
import sys
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import diffusers
import torch
from rich.console import Console
from rich.progress import Progress, track
from rich.table import Table
from torch.nn import functional as F

from ...paths import ROOT

sys.path.insert(0, str(ROOT / "solution"))
import classifier
import data
import evaluate
import infer
import train
from scheduler import DDIMScheduler

SAMPLES, STEPS, PART = 1000, 50, 125
THEIRS = "Hugging Face course, unit 2"


class Learned(NamedTuple):
    network: Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
    scheduler: DDIMScheduler
    seen: int  # digits


def ours(prediction_type: str, images: torch.Tensor, seconds: float) -> Learned:
    """train.py as it is, with as many steps as fit."""
    schedule = {"prediction_type": prediction_type, "beta_schedule": "linear", **train.SCHEDULE}
    steps, batch_size = train.SIZES["cpu"]
    settings = {"scheduler": schedule, "unet": {}, "timesteps": "log_snr", "seed": 0, "batch_size": batch_size}
    settings |= {"precision": train.precision_on("cpu")}
    steps = train.steps_in(seconds, train.Run(settings | {"steps": steps}, images))
    run = train.Run(settings | {"steps": steps}, images)
    for _ in track(range(steps), f"train.py, {prediction_type}", transient=True):
        run.advance()
    return Learned(run.ema.module.eval(), DDIMScheduler(**schedule), steps * batch_size)


def theirs(images: torch.Tensor, seconds: float) -> Learned:
    """The loop of the course, until its time is over."""
    torch.manual_seed(0)
    down = ("DownBlock2D", "AttnDownBlock2D", "AttnDownBlock2D")
    up = ("AttnUpBlock2D", "AttnUpBlock2D", "UpBlock2D")
    sizes = {"sample_size": 28, "in_channels": 1, "out_channels": 1, "block_out_channels": (32, 64, 64)}
    # diffusers loads its parts on demand, which hides from a type checker what they are.
    model: Any = diffusers.UNet2DModel(layers_per_block=2, down_block_types=down, up_block_types=up, **sizes)
    scheduler: Any = diffusers.DDPMScheduler(beta_schedule="squaredcos_cap_v2")
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    seen, started = 0, time.process_time()
    with Progress(transient=True) as progress:
        task = progress.add_task(THEIRS, total=seconds)
        while (spent := time.process_time() - started) < seconds:
            progress.update(task, completed=spent)
            x0 = images[torch.randint(len(images), (128,))].float() / 127.5 - 1
            noise, t = torch.randn_like(x0), torch.randint(0, 1000, (len(x0),))
            loss = F.mse_loss(model(scheduler.add_noise(x0, noise, t), t).sample, noise)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            seen += len(x0)
    model.eval()
    return Learned(lambda x, t: model(x, t).sample, DDIMScheduler(beta_schedule="cosine"), seen)


@torch.inference_mode()
def drawn(learned: Learned) -> torch.Tensor:
    """1,000 samples, (1000, 1, 28, 28)."""
    learned.scheduler.set_timesteps(STEPS)
    noise = torch.randn(SAMPLES, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    parts = track(noise.split(PART), "Sampling", transient=True)
    return torch.cat([list(infer.run(learned.network, learned.scheduler, part, None, {}))[-1] for part in parts])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--minutes", type=train.duration, default=10, help="processor time of each loop (default: 10)")
    seconds = 60 * parser.parse_args().minutes
    images, line = data.load("mnist")
    floor = classifier.measure(data.unseen(SAMPLES)[0])
    loops: dict[str, Callable[[torch.Tensor, float], Learned]] = {
        "train.py, v_prediction": functools.partial(ours, "v_prediction"),
        "train.py, epsilon": functools.partial(ours, "epsilon"),
        THEIRS: theirs,
    }
    table = Table("one thread", "CPU s", "digits seen", "1,000 samples", title=line, box=None)
    for name, loop in loops.items():
        started = time.process_time()
        learned = loop(images, seconds)
        spent = time.process_time() - started
        quality = evaluate.judged(classifier.measure(drawn(learned)), floor)
        table.add_row(name, f"{spent:.0f}", f"{learned.seen:,}", quality)
    Console().print(table)


if __name__ == "__main__":
    torch.set_num_threads(1)
    try:
        main()
    except (OSError, ValueError) as error:
        sys.exit(f"bench.learning: {error}")
