# Plain script: no functions, torchvision's save_image, 0-d tensors as timesteps.
import argparse
import json
import math
import os
import sys

import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torchvision.utils import save_image

import scheduler as schedulers
from unet import UNet

p = argparse.ArgumentParser()
p.add_argument("--checkpoint", required=True)
p.add_argument("--output", required=True)
p.add_argument("--samples")
p.add_argument("--scheduler", default="ddim", choices=["ddim", "ddpm"])
p.add_argument("--steps", type=int, default=50)
p.add_argument("--eta", type=float, default=None)
p.add_argument("--num-images", type=int, default=64)
p.add_argument("--seed", type=int, default=0)
p.add_argument("--initial-noise")
p.add_argument("--device", default="auto", choices=["auto", "cpu", "cuda", "mps"])
args = p.parse_args()
if args.eta is not None and args.scheduler == "ddpm":
    p.error("ddpm takes no --eta")
if args.eta is not None and not 0 <= args.eta <= 1:
    p.error("--eta must lie in [0, 1]")
if args.num_images < 1:
    p.error("--num-images must be positive")
cuda, mps = torch.cuda.is_available(), torch.backends.mps.is_available()
if (args.device == "cuda" and not cuda) or (args.device == "mps" and not mps):
    p.error("no such device here: " + args.device)
device = args.device if args.device != "auto" else "cuda" if cuda else "cpu"

if not os.path.exists(args.checkpoint):
    print("infer.py: no checkpoint at", args.checkpoint, file=sys.stderr)
    sys.exit(1)
try:
    with safe_open(args.checkpoint, "pt", device="cpu") as f:
        config = json.loads(f.metadata()["config"])
    net = UNet(**config["unet"])
    net.load_state_dict(load_file(args.checkpoint))
except Exception as e:
    print("infer.py: cannot use this checkpoint:", str(e).replace("\n", " "), file=sys.stderr)
    sys.exit(1)
del config["unet"]
if not 1 <= args.steps <= config["num_train_timesteps"]:
    p.error("--steps must lie between 1 and the T of the checkpoint")

torch.manual_seed(args.seed)
x = torch.randn(args.num_images, 1, 28, 28)
if args.initial_noise:
    x = load_file(args.initial_noise)["noise"]
x = x.to(device)
net = net.to(device).eval()
sampler = schedulers.DDIMScheduler(**config) if args.scheduler == "ddim" else schedulers.DDPMScheduler(**config)
sampler.set_timesteps(args.steps, device=device)
with torch.no_grad():
    for t in sampler.timesteps:
        out = net(x, t.repeat(x.shape[0]))
        x = sampler.step(out, t, x, eta=args.eta or 0.0) if args.scheduler == "ddim" else sampler.step(out, t, x)
x = x.clamp(-1, 1).cpu()
save_image(x * 0.5 + 0.5, args.output, nrow=math.ceil(x.shape[0] ** 0.5))
if args.samples:
    save_file({"samples": x.contiguous()}, args.samples)
