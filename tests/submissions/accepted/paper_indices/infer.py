"""A dataclass is the configuration: its fields become the options, and it checks itself. Typed."""
from __future__ import annotations

import argparse
import dataclasses
import json
import math
import sys
from pathlib import Path
from typing import Any, Iterator, NoReturn, Optional

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torchvision.utils import save_image

from scheduler import DDIMScheduler, DDPMScheduler, FlowMatchScheduler, guided
from unet import UNet


@dataclasses.dataclass
class Config:
    checkpoint: Path = dataclasses.field(metadata={"type": Path, "required": True})
    output: Path = dataclasses.field(metadata={"type": Path, "required": True})
    samples: Optional[Path] = dataclasses.field(default=None, metadata={"type": Path})
    scheduler: str = dataclasses.field(default="ddim", metadata={"choices": ["ddim", "ddpm", "flow"]})
    steps: int = dataclasses.field(default=50, metadata={"type": int})
    eta: Optional[float] = dataclasses.field(default=None, metadata={"type": float})
    num_images: int = dataclasses.field(default=64, metadata={"type": int})
    seed: int = dataclasses.field(default=0, metadata={"type": int})
    initial_noise: Optional[Path] = dataclasses.field(default=None, metadata={"type": Path})
    device: str = dataclasses.field(default="auto", metadata={"choices": ["auto", "cpu", "cuda", "mps"]})

    label: Optional[int] = dataclasses.field(default=None, metadata={"type": int})
    guidance: float = dataclasses.field(default=1.0, metadata={"type": float})

    def __post_init__(self) -> None:
        if self.steps < 1 or self.num_images < 1:
            raise ValueError("steps and num-images must be at least 1")
        if self.scheduler != "ddim" and self.eta is not None:
            raise ValueError("eta is an option of ddim")
        if not 0 <= (self.eta or 0) <= 1:
            raise ValueError("eta must be in [0, 1]")
        if self.device == "auto":
            self.device = "cuda" if torch.cuda.is_available() else "cpu"
        if self.device == "cuda" and not torch.cuda.is_available():
            raise ValueError("no cuda on this machine")
        if self.device == "mps" and not torch.backends.mps.is_available():
            raise ValueError("no mps on this machine")

    @classmethod
    def options(cls) -> argparse.ArgumentParser:
        parser = argparse.ArgumentParser()
        for field in dataclasses.fields(cls):
            default = {} if field.default is dataclasses.MISSING else {"default": field.default}
            parser.add_argument("--" + field.name.replace("_", "-"), **default, **field.metadata)
        return parser


def stop(status: int, text: str) -> NoReturn:
    print(f"infer.py: {text}", file=sys.stderr)
    sys.exit(status)


def load(path: Path) -> tuple[nn.Module, dict[str, Any]]:
    with safe_open(path, framework="pt") as file:
        metadata: dict[str, str] = file.metadata()
        state: dict[str, Tensor] = {key: file.get_tensor(key) for key in file.keys()}
    config: dict[str, Any] = json.loads(metadata["config"])
    model = UNet(**config.pop("unet"))
    model.load_state_dict(state)
    return model.eval(), config


@dataclasses.dataclass
class Guided:
    """epsilon~ of the paper's algorithm 2, for one label c; None is its empty label."""

    model: nn.Module
    c: Optional[int]
    scale: float

    def __call__(self, z: Tensor, t: Tensor) -> Tensor:
        if self.c is None:
            return self.model(z, t)
        return guided(self.model(z, t, torch.full_like(t, self.c)), self.model(z, t), self.scale)


def walk(model: Guided, scheduler: DDPMScheduler, x: Tensor, **options: Any) -> Iterator[Tensor]:
    for t in scheduler.timesteps:
        x = scheduler.step(model(x, t.repeat(len(x)).to(x.device)), t, x, **options)
        yield x


@torch.inference_mode()
def main() -> None:
    parser = Config.options()
    try:
        config = Config(**vars(parser.parse_args()))
    except ValueError as error:
        parser.error(str(error))
    try:
        model, settings = load(config.checkpoint)
    except (OSError, SafetensorError, KeyError, TypeError, ValueError, RuntimeError) as error:
        stop(1, f"{config.checkpoint} is no checkpoint: {error!r}"[:200].replace("\n", " "))
    if config.steps > settings["num_train_timesteps"]:
        stop(2, f"{config.steps} steps are more than {settings['num_train_timesteps']}")
    generator = torch.Generator().manual_seed(config.seed)
    x = torch.empty(config.num_images, 1, 28, 28).normal_(generator=generator)
    if config.initial_noise:
        x = load_file(config.initial_noise)["noise"]
    options: dict[str, Any] = {"generator": generator}
    if config.scheduler == "ddim":
        scheduler: DDPMScheduler = DDIMScheduler(**settings)
        options["eta"] = config.eta or 0.0
    else:
        scheduler = (FlowMatchScheduler if config.scheduler == "flow" else DDPMScheduler)(**settings)
    scheduler.set_timesteps(config.steps)
    asked = Guided(model.to(config.device), config.label, config.guidance)
    for x in walk(asked, scheduler, x.to(config.device), **options):
        pass
    x = x.clamp(-1, 1).cpu()
    save_image(x.add(1).div(2), config.output, nrow=math.ceil(math.sqrt(len(x))), padding=2)
    if config.samples:
        save_file({"samples": x}, config.samples)


if __name__ == "__main__":
    main()
