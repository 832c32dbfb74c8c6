"""Digits from a checkpoint, with your scheduler: a program that you write from this page. Handout 6.

    python infer.py --checkpoint FILE --output samples.png [--samples FILE.safetensors]
                    [--scheduler ddim|ddpm] [--steps 50] [--eta 0.0] [--num-images 64] [--seed 0]
                    [--initial-noise FILE.safetensors] [--device auto|cpu|cuda|mps]

What goes in
    --checkpoint     a file of train.py: one safetensors file with the network's weights and, in its metadata under the
                     key "config", JSON with `unet` (the arguments of UNet), `prediction_type`, `beta_schedule`,
                     `num_train_timesteps`, `beta_start` and `beta_end` (arguments of the schedulers)
    --scheduler      ddim (the default) or ddpm; variance_type and clip_sample are the defaults of the class
    --steps          how many timesteps are visited, 50 by default
    --eta            of DDIM, between 0 and 1; 0 by default
    --num-images     N, 64 by default
    --seed           0 by default; the same seed, device and arguments give the same pixels
    --initial-noise  a safetensors file whose tensor `noise`, N x 1 x 28 x 28, is where sampling starts, instead of a
                     draw; it also sets N
    --device         auto (the default: cuda where there is one, else cpu), cpu, cuda or mps
What comes out
    --output         a PNG: the images in torchvision's grid, ceil(sqrt(N)) to a row, padding 2; a sample x in [-1, 1]
                     has the pixel value (x + 1) / 2, rounded to 8 bits
    --samples        a safetensors file with the tensor `samples`, float32 N x 1 x 28 x 28, clamped to [-1, 1]
Exit status
    0                everything asked for was written
    1                the checkpoint is missing, unreadable or not one: one line on stderr
    2                wrong usage: a bad value, more steps than the checkpoint has timesteps, --eta with ddpm, a device
                     that this machine lacks

The network is called as model(x, t) with t int64 of shape (B,): the timesteps of the scheduler's list.
"""

### BEGIN SOLUTION
# TODO 6.1: everything: arguments, checkpoint, the loop over the timesteps, picture and samples (about 100 lines)
import argparse
import json
import math
import sys

import torch
from PIL import Image
from rich.progress import track
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torchvision.utils import make_grid, save_image

from scheduler import DDIMScheduler, DDPMScheduler
from unet import UNet

BATCH = 256  # images at a time, so that a request for thousands fits into memory


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--checkpoint", required=True, metavar="FILE")
    parser.add_argument("--output", required=True, metavar="FILE.png")
    parser.add_argument("--samples", metavar="FILE.safetensors")
    parser.add_argument("--scheduler", choices=("ddim", "ddpm"), default="ddim")
    parser.add_argument("--steps", type=whole, default=50)
    parser.add_argument("--eta", type=fraction, help="0 ... 1, of DDIM only; 0 by default")
    parser.add_argument("--num-images", type=whole, default=64)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--initial-noise", metavar="FILE.safetensors")
    parser.add_argument("--device", choices=("auto", "cpu", "cuda", "mps"), default="auto")
    parser.add_argument("--film", metavar="FILE.gif", help="the grid after every step, as a moving picture")
    options = parser.parse_args()
    if options.scheduler == "ddpm" and options.eta is not None:
        parser.error("--eta belongs to ddim; ddpm has none")
    device = options.device
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    elif device != "cpu" and not getattr(torch, device).is_available():
        parser.error(f"this machine has no {device} device")
    try:
        model, config = load_checkpoint(options.checkpoint)
    except ValueError as error:
        sys.exit(f"infer.py: {error}")
    if options.steps > config["num_train_timesteps"]:
        parser.error(f"--steps must be at most {config['num_train_timesteps']}, the timesteps of this checkpoint")
    generator = torch.Generator().manual_seed(options.seed)  # on the CPU: the same noise for every device
    noise = torch.randn(options.num_images, 1, 28, 28, generator=generator)
    if options.initial_noise:
        try:
            noise = load_file(options.initial_noise)["noise"]
        except (OSError, SafetensorError, KeyError) as error:
            parser.error(f"--initial-noise: {options.initial_noise} holds no tensor `noise` ({error})")
        if noise.ndim != 4 or noise.shape[1:] != (1, 28, 28) or not len(noise):
            parser.error(f"--initial-noise: `noise` must be N x 1 x 28 x 28, not {tuple(noise.shape)}")
        noise = noise.float()

    make = {"ddim": DDIMScheduler, "ddpm": DDPMScheduler}[options.scheduler]
    scheduler = make(**config)
    scheduler.set_timesteps(options.steps)
    extra = {"eta": options.eta or 0.0} if options.scheduler == "ddim" else {}
    frames = []
    runs = [run(model.to(device), scheduler, part.to(device), generator, extra) for part in noise.split(BATCH)]
    for states in track(zip(*runs, strict=True), "Sampling", options.steps, transient=True):
        samples = torch.cat(states).clamp(-1, 1)
        if options.film:
            frames.append(grid(samples))

    save_image(grid(samples), options.output)
    if options.samples:
        save_file({"samples": samples}, options.samples)
    if options.film:
        first, *rest = [Image.fromarray((255 * frame[0]).round().byte().numpy()) for frame in frames]
        pauses = [80] * len(rest) + [2000]  # milliseconds; the finished digits stay
        first.save(options.film, save_all=True, append_images=rest, duration=pauses, loop=0)


def load_checkpoint(path):
    """(network, arguments of the schedulers) from a checkpoint. ValueError, in one line, for a file that is not one."""
    try:
        with safe_open(path, framework="pt") as file:
            config = json.loads(file.metadata()["config"])
            weights = {name: file.get_tensor(name) for name in file.keys()}
        model = UNet(**config.pop("unet"))
        model.load_state_dict(weights)
        DDPMScheduler(**config)
    except Exception as error:  # whatever is wrong with somebody's file: it is no checkpoint
        raise ValueError(f"{path} is not a checkpoint of train.py: {' '.join(str(error).split())[:200]}") from None
    return model.eval(), config


@torch.inference_mode()
def run(model, scheduler, x, generator, extra):
    """One batch from noise to digits; yields the sample after every step, (B, 1, 28, 28) on the CPU."""
    for timestep in scheduler.timesteps.tolist():
        t = torch.full((len(x),), timestep, device=x.device)  # (B,)
        x = scheduler.step(model(x, t), timestep, x, generator=generator, **extra)
        yield x.cpu()


def grid(samples):
    """Samples (N, 1, 28, 28) in [-1, 1] as one picture, (3, H, W) in [0, 1]."""
    return make_grid((samples + 1) / 2, nrow=math.ceil(math.sqrt(len(samples))), padding=2)


def whole(text):
    """A whole number from 1 on, as argparse reads it."""
    if int(text) < 1:
        raise ValueError
    return int(text)


def fraction(text):
    """A number from 0 to 1."""
    if not 0 <= float(text) <= 1:
        raise ValueError
    return float(text)


if __name__ == "__main__":
    main()
### END SOLUTION
