"""In the manner of lucidrains: a class that holds model and diffusion, num_to_groups, a loop over generators, and
utils.save_image. The noise for all images is drawn first, then they are sampled group by group."""
import argparse
import json
import math
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torchvision import utils

import scheduler as diffusions
from unet import UNet


def exists(x):
    return x is not None


def default(val, d):
    return val if exists(val) else d


def num_to_groups(num, divisor):
    groups, remainder = divmod(num, divisor)
    return [divisor] * groups + ([remainder] if remainder > 0 else [])


def unnormalize_to_zero_to_one(t):
    return (t + 1) * 0.5


def positive(text):
    if (value := int(text)) <= 0:
        raise argparse.ArgumentTypeError("has to be positive")
    return value


def unit(text):
    if not 0. <= (value := float(text)) <= 1.:
        raise argparse.ArgumentTypeError("has to be from 0 to 1")
    return value


class Sampler:
    def __init__(self, path, device, batch_size=32):
        tensors = {}
        with safe_open(str(path), framework="pt", device="cpu") as f:
            self.config = json.loads(default(f.metadata(), {})["config"])
            for key in f.keys():
                tensors[key] = f.get_tensor(key)
        self.model = UNet(**self.config.pop("unet"))
        self.model.load_state_dict(tensors, strict=True)
        self.model.eval().to(device)
        self.device, self.batch_size = device, batch_size

    @torch.inference_mode()
    def trajectory(self, diffusion, img, **kwargs):
        for t in diffusion.timesteps:
            time = torch.full((img.shape[0],), int(t), device=self.device, dtype=torch.long)
            img = diffusion.step(self.model(img, time), int(t), img, **kwargs)
            yield img

    def sample(self, diffusion, noise, **kwargs):
        for group in noise.split(num_to_groups(len(noise), self.batch_size)):
            *_, img = self.trajectory(diffusion, group.to(self.device), **kwargs)
            yield img.clamp(-1., 1.).cpu()


parser = argparse.ArgumentParser()
parser.add_argument("--checkpoint", type=Path, required=True)
parser.add_argument("--output", type=Path, required=True)
parser.add_argument("--samples", type=Path)
parser.add_argument("--scheduler", choices=("ddim", "ddpm"), default="ddim")
parser.add_argument("--steps", type=positive, default=50)
parser.add_argument("--eta", type=unit)
parser.add_argument("--num-images", type=positive, default=64)
parser.add_argument("--seed", type=int, default=0)
parser.add_argument("--initial-noise", type=Path)
parser.add_argument("--device", choices=("auto", "cpu", "cuda", "mps"), default="auto")

if __name__ == "__main__":
    args = parser.parse_args()
    if exists(args.eta) and args.scheduler != "ddim":
        parser.error("only ddim has an eta")
    found = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    device = args.device if args.device != "auto" else ("cuda" if found["cuda"] else "cpu")
    if not found[device]:
        parser.error(f"{device} not found")
    try:
        sampler = Sampler(args.checkpoint, device)
        make = diffusions.DDIMScheduler if args.scheduler == "ddim" else diffusions.DDPMScheduler
        diffusion = make(**sampler.config)
    except Exception as error:
        parser.exit(1, f"{args.checkpoint} could not be loaded ({type(error).__name__})\n")
    try:
        diffusion.set_timesteps(args.steps)
    except ValueError as error:
        parser.error(str(error))
    generator = torch.Generator().manual_seed(args.seed)
    noise = torch.randn(args.num_images, 1, 28, 28, generator=generator)
    if exists(args.initial_noise):
        with safe_open(str(args.initial_noise), framework="pt") as f:
            noise = f.get_tensor("noise")
    torch.manual_seed(generator.initial_seed() + 1)  # of the steps
    kwargs = dict(eta=default(args.eta, 0.)) if args.scheduler == "ddim" else dict()
    images = torch.cat(list(sampler.sample(diffusion, noise, **kwargs)), dim=0)
    utils.save_image(unnormalize_to_zero_to_one(images), str(args.output), nrow=math.ceil(math.sqrt(len(images))))
    if exists(args.samples):
        save_file(dict(samples=images), str(args.samples))
