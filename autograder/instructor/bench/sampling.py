"""`make bench`: sampling with the reference beside the DDIM pipeline of diffusers and beside bare calls of
the network, as medians of one run: the same U-Net, the same batch, the same steps, in turn."""

import statistics
import sys
import time
from types import SimpleNamespace
from typing import Any

import diffusers
import torch
from diffusers.configuration_utils import ConfigMixin, register_to_config
from rich.console import Console
from rich.progress import track
from rich.table import Table

from ...paths import ROOT
from .training import device

sys.path.insert(0, str(ROOT / "solution"))
import infer
from scheduler import DDIMScheduler
from train import SCHEDULE

CHECKPOINT = ROOT / "solution" / "checkpoints" / "epsilon.safetensors"
BATCH, STEPS, ROUNDS = 64, 50, 7
BARE = "bare calls of the network"


# diffusers loads its parts on demand, which hides from a type checker what they are.
class ForDiffusers(diffusers.ModelMixin, ConfigMixin):  # pyrefly: ignore[invalid-inheritance]
    """The U-Net as the pipeline wants it: a model of its own kind, which is called with a 0-d t."""

    @register_to_config
    def __init__(self, sample_size: int = 28, in_channels: int = 1) -> None:
        super().__init__()

    def forward(self, x: torch.Tensor, t: torch.Tensor) -> SimpleNamespace:
        return SimpleNamespace(sample=self.model(x, t.expand(len(x))))


def main() -> None:
    medians = in_turn(device(), BATCH, STEPS, ROUNDS)
    table = Table(f"sampling, {BATCH} digits, {STEPS} steps, {device()}", "a step", "beside bare calls", box=None)
    for name, median in medians.items():
        table.add_row(name, f"{1000 * median:.2f} ms", f"{median / medians[BARE]:.3f} x")
    Console().print(table)


def in_turn(device: str, batch: int, steps: int, rounds: int) -> dict[str, float]:
    """{way: seconds a step}, medians of so many rounds."""
    model, config = infer.load_checkpoint(CHECKPOINT, DDIMScheduler)
    model.to(device)
    ours = DDIMScheduler(**config)
    ours.set_timesteps(steps)
    theirs = diffusers.DDIMScheduler(**SCHEDULE, timestep_spacing="trailing")
    wrapped = ForDiffusers()
    wrapped.model = model
    pipeline: Any = diffusers.DDIMPipeline(wrapped, theirs)
    pipeline.set_progress_bar_config(disable=True)
    noise = torch.randn(batch, 1, 28, 28).to(device)

    @torch.inference_mode()
    def bare() -> None:
        for t in ours.timesteps.tolist():
            model(noise, torch.full((batch,), t, device=device))

    ways = {
        BARE: bare,
        "infer.py of the reference": lambda: list(infer.run(model, ours, noise, None, {})),
        "DDIMPipeline of diffusers": lambda: pipeline(batch, num_inference_steps=steps, output_type="np"),
    }
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for turn in track(range(rounds + 1), "Sampling in turn", transient=True):
        for name, way in ways.items():
            started = time.perf_counter()
            way()
            if device == "cuda":
                torch.cuda.synchronize()
            if turn > 0:  # the first turn warms up
                seconds[name].append(time.perf_counter() - started)
    return {name: statistics.median(values) / steps for name, values in seconds.items()}


if __name__ == "__main__":
    main()
