"""A parser that is a class of its own, with actions that check what they store; devices, noise and picture are objects."""
import argparse
import json
import os

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torchvision.utils import make_grid, save_image

from scheduler import DDIMScheduler, DDPMScheduler, FlowMatchScheduler, guided
from unet import UNet


class Bounded(argparse.Action):
    """Stores a number if it is within bounds: its const is (low, high)."""

    def __call__(self, parser, namespace, value, option_string=None):
        low, high = self.const
        if not low <= value <= high:
            parser.error(f"{option_string} {value}: not between {low} and {high}")
        setattr(namespace, self.dest, value)


class Available(argparse.Action):
    """Stores a device if this machine has it."""

    def __call__(self, parser, namespace, value, option_string=None):
        backend = {"cuda": torch.cuda, "mps": torch.backends.mps}.get(value)
        if backend and not backend.is_available():
            parser.error(f"{option_string} {value}: not on this machine")
        setattr(namespace, self.dest, value)


class Parser(argparse.ArgumentParser):
    def __init__(self):
        super().__init__(description=__doc__, allow_abbrev=False)
        self.add_argument("--checkpoint", required=True)
        self.add_argument("--output", required=True)
        self.add_argument("--samples")
        self.add_argument("--scheduler", choices=Sampling.kinds, default="ddim")
        self.add_argument("--steps", type=int, default=50, action=Bounded, const=(1, float("inf")))
        self.add_argument("--eta", type=float, action=Bounded, const=(0, 1))
        self.add_argument("--num-images", type=int, default=64, action=Bounded, const=(1, float("inf")))
        self.add_argument("--seed", type=int, default=0)
        self.add_argument("--initial-noise")
        self.add_argument("--label", type=int, action=Bounded, const=(0, 9))
        self.add_argument("--guidance", type=float, default=1.0)
        self.add_argument("--device", choices=("auto", "cpu", "cuda", "mps"), default="auto", action=Available)

    def parse_args(self, *args, **kwargs):
        options = super().parse_args(*args, **kwargs)
        if options.eta is not None and options.scheduler != "ddim":
            self.error("--eta: for ddim only")
        if options.device == "auto":
            options.device = "cuda" if torch.cuda.is_available() else "cpu"
        return options


class Checkpoint:
    def __init__(self, path):
        if not os.path.isfile(path):
            raise FileNotFoundError("no such file")
        with safe_open(path, framework="pt") as file:
            self.config = json.loads((file.metadata() or {}).get("config", "null"))
            if not isinstance(self.config, dict):
                raise ValueError("no config in it")
            self.weights = {name: file.get_tensor(name) for name in file.keys()}

    def network(self):
        network = UNet(**self.config["unet"])
        network.load_state_dict(self.weights)
        return network.eval().requires_grad_(False)

    @property
    def schedule(self):
        return {key: value for key, value in self.config.items() if key != "unet"}


class Labelled:
    """A network that draws one digit."""

    def __init__(self, network, label, scale):
        self.network, self.label, self.scale = network, label, scale

    def __call__(self, x, t):
        return guided(self.network(x, t, torch.zeros_like(t) + self.label), self.network(x, t), self.scale)


class Sampling:
    kinds = {"ddim": DDIMScheduler, "ddpm": DDPMScheduler, "flow": FlowMatchScheduler}

    def __init__(self, network, scheduler, generator, options):
        self.network, self.scheduler, self.generator, self.options = network, scheduler, generator, options

    def __iter__(self):
        return iter(self.scheduler.timesteps.tolist())

    def run(self, x):
        for t in self:
            output = self.network(x, torch.full((len(x),), t, device=x.device))
            x = self.scheduler.step(output, t, x, generator=self.generator, **self.options)
        return torch.clamp(x, -1, 1)


def start(options, generator):
    if options.initial_noise is None:
        return torch.randn(options.num_images, 1, 28, 28, generator=generator)
    with safe_open(options.initial_noise, framework="pt") as file:
        return file.get_tensor("noise")


def main():
    parser = Parser()
    options = parser.parse_args()
    try:
        checkpoint = Checkpoint(options.checkpoint)
        network = checkpoint.network()
        scheduler = Sampling.kinds[options.scheduler](**checkpoint.schedule)
    except Exception as error:
        parser.exit(1, f"infer.py: {options.checkpoint}: {str(error).splitlines()[0]}\n")
    if options.steps > checkpoint.schedule["num_train_timesteps"]:
        parser.error("--steps: more than there are timesteps")
    scheduler.set_timesteps(options.steps)
    generator = torch.Generator().manual_seed(options.seed)
    extra = {} if options.eta is None else {"eta": options.eta}
    noise = start(options, generator).to(options.device)
    network.to(options.device)
    if options.label is not None:
        network = Labelled(network, options.label, options.guidance)
    samples = Sampling(network, scheduler, generator, extra).run(noise).cpu()
    columns = next(n for n in range(1, len(samples) + 1) if n * n >= len(samples))
    save_image(make_grid(samples, nrow=columns, normalize=True, value_range=(-1, 1)), options.output)
    if options.samples:
        save_file({"samples": samples.contiguous()}, options.samples)


main()
