"""`make bench`: images per second of train.py's step beside the loop that public tutorials write, as
medians of one run: DataLoader with workers, float32, unfused Adam, the loss read in every step. Same U-Net, same batch,
same device, same scheduler; the two take turns, so that a change in the machine's speed hits both alike."""

import itertools
import statistics
import sys
import time
from collections.abc import Iterator, Mapping

import torch
from rich.console import Console
from rich.progress import track
from rich.table import Table
from torch.nn import functional as F
from torch.utils.data import DataLoader
from torchvision import transforms
from torchvision.datasets import MNIST

from ...paths import ROOT

sys.path.insert(0, str(ROOT / "solution"))
import data
import train
from scheduler import DDPMScheduler
from unet import UNet

PLAIN = "the plain loop of tutorials"
BATCH_SIZE, WORKERS = 64, 2
SCHEDULER = {"prediction_type": "epsilon", "beta_schedule": "linear", **train.SCHEDULE}


def main() -> None:
    rounds, steps = (20, 200) if device() == "cuda" else (12, 5)
    if not data.complete():
        raise OSError("the plain loop needs all of MNIST: make data")
    report(device(), in_turn(device(), BATCH_SIZE, rounds, steps), rounds * steps)


def device() -> str:
    return "cuda" if torch.cuda.is_available() else "cpu"


def in_turn(device: str, batch_size: int, rounds: int, steps: int) -> dict[str, float]:
    """{loop: images a second}, medians of so many rounds of so many steps; the plain loop if all of MNIST is there."""
    loops = {PLAIN: plain(device, batch_size)} if data.complete() else {}
    for precision in ("float32", "bfloat16"):
        loops[f"train.py --precision {precision}"] = ours(device, batch_size, precision)
    if device == "cuda":
        loops["train.py --precision bfloat16 --compile"] = ours(device, batch_size, "bfloat16", compile=True)
    speeds: dict[str, list[float]] = {name: [] for name in loops}
    for turn in track(range(rounds + 1), "Training in turn", transient=True):
        for name, loop in loops.items():
            started = time.perf_counter()
            for _ in itertools.islice(loop, steps):
                pass
            if device == "cuda":
                torch.cuda.synchronize()
            if turn > 0:  # the first turn warms up
                speeds[name].append(steps * batch_size / (time.perf_counter() - started))
    return {name: statistics.median(values) for name, values in speeds.items()}


def ours(device: str, batch_size: int, precision: str, compile: bool = False) -> Iterator[None]:
    """train.py's loop; one step per `next`."""
    settings = {"scheduler": SCHEDULER, "unet": {}, "steps": 100_000, "batch_size": batch_size, "seed": 0}
    settings |= {"timesteps": "log_snr"}
    images, _ = data.load("mnist" if data.complete() else "digits5k")
    run = train.Run(settings | {"precision": precision}, images, device, compile)
    while True:
        run.advance()
        yield


def plain(device: str, batch_size: int) -> Iterator[None]:
    """A loop as tutorials have it; one step per `next`."""
    pixels = transforms.Compose([transforms.ToTensor(), transforms.Normalize(0.5, 0.5)])
    loader = DataLoader(
        MNIST(data.DATA, transform=pixels), batch_size, shuffle=True, drop_last=True, num_workers=WORKERS
    )
    model, scheduler = UNet().to(device), DDPMScheduler(**SCHEDULER)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    while True:
        for images, _ in loader:
            x0 = images.to(device)
            t = torch.randint(0, 1000, (len(x0),), device=device)
            noise = torch.randn_like(x0)
            loss = F.mse_loss(model(scheduler.add_noise(x0, noise, t), t), noise)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            loss.item()
            yield


def report(device: str, medians: Mapping[str, float], steps: int) -> None:
    """A table of the medians, which are of so many steps each."""
    name = torch.cuda.get_device_name() if device == "cuda" else f"CPU, {torch.get_num_threads()} threads"
    table = Table(f"training, batch {BATCH_SIZE}, {name}", "images/s", "beside the plain loop", box=None)
    for loop, speed in medians.items():
        table.add_row(loop, f"{speed:,.0f}", f"{speed / medians[PLAIN]:.2f} x")
    Console().print(table, f"Medians of {steps} steps each, in turn.")


if __name__ == "__main__":
    try:
        main()
    except (OSError, ValueError, RuntimeError) as error:
        sys.exit(f"bench.training: {error}")
