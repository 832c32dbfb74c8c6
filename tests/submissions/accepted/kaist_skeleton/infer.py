"""In the manner of KAIST's sampling.py: main(args) under no_grad, a DiffusionModule with sample(), PIL images at the end."""
import argparse
import json
import sys

import torch
import torch.nn as nn
from PIL import Image
from safetensors.torch import load_file, safe_open, save_file
from torchvision.transforms.functional import to_pil_image

from scheduler import DDIMScheduler, DDPMScheduler
from unet import UNet


class DiffusionModule(nn.Module):
    def __init__(self, network, var_scheduler):
        super().__init__()
        self.network = network
        self.var_scheduler = var_scheduler

    @torch.no_grad()
    def sample(self, xT, **kwargs):
        traj = [xT]
        for t in self.var_scheduler.timesteps:
            x_t = traj[-1]
            noise_pred = self.network(x_t, t.to(x_t.device).expand(len(x_t)))
            traj[-1] = x_t.cpu()
            traj.append(self.var_scheduler.step(noise_pred, t, x_t, **kwargs))
        return traj[-1]

    @classmethod
    def load(cls, path, name):
        with safe_open(path, framework="pt") as file:
            hparams = json.loads(file.metadata()["config"])
        network = UNet(**hparams["unet"])
        network.load_state_dict(load_file(path))
        keys = ["num_train_timesteps", "beta_schedule", "beta_start", "beta_end", "prediction_type"]
        scheduler_class = DDPMScheduler if name == "ddpm" else DDIMScheduler
        return cls(network, scheduler_class(**{k: hparams[k] for k in keys})), hparams["num_train_timesteps"]


def tensor_to_pil_image(x):
    """(N, 1, 28, 28) in [-1, 1] to one grey image: tiles pasted into a black one."""
    columns = 1
    while columns * columns < len(x):
        columns += 1
    rows = (len(x) + columns - 1) // columns
    canvas = Image.new("L", (columns * 30 + 2, rows * 30 + 2), color=0)
    for i, tile in enumerate(((x + 1) / 2 * 255).round().to(torch.uint8)):
        canvas.paste(to_pil_image(tile), ((i % columns) * 30 + 2, (i // columns) * 30 + 2))
    return canvas


def main(args, usage):
    if args.scheduler == "ddpm" and args.eta is not None:
        usage("there is no eta in ddpm")
    if args.eta is not None and (args.eta < 0 or args.eta > 1):
        usage("eta must be between 0 and 1")
    if args.steps < 1:
        usage("steps must be positive")
    if args.num_images < 1:
        usage("num-images must be positive")
    if args.device == "auto":
        args.device = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        torch.zeros(1, device=args.device)
    except Exception:
        usage(f"device {args.device} cannot be used here")
    try:
        ddpm, T = DiffusionModule.load(args.checkpoint, args.scheduler)
    except Exception as problem:
        reason = str(problem).splitlines() or ["no reason given"]
        print(f"[!] {args.checkpoint}: {reason[0]}", file=sys.stderr)
        return 1
    if args.steps > T:
        usage(f"steps must be {T} or less")
    ddpm.eval()
    ddpm.network.to(args.device)
    ddpm.var_scheduler.set_timesteps(args.steps)

    torch.manual_seed(args.seed)
    if args.initial_noise is not None:
        xT = load_file(args.initial_noise)["noise"]
    else:
        xT = torch.randn([args.num_images, 1, 28, 28])
    kwargs = {"eta": args.eta} if args.eta else {}
    samples = ddpm.sample(xT.to(args.device), **kwargs).cpu()
    samples = samples.clamp(-1, 1)
    tensor_to_pil_image(samples).save(args.output, format="PNG")
    if args.samples is not None:
        save_file({"samples": samples.float()}, args.samples)
    return 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--checkpoint", type=str, required=True)
    parser.add_argument("--output", type=str, required=True)
    parser.add_argument("--samples", type=str)
    parser.add_argument("--scheduler", type=str, default="ddim", choices=["ddim", "ddpm"])
    parser.add_argument("--steps", type=int, default=50)
    parser.add_argument("--eta", type=float)
    parser.add_argument("--num-images", type=int, default=64)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--initial-noise", type=str)
    parser.add_argument("--device", type=str, default="auto", choices=["auto", "cpu", "cuda", "mps"])
    sys.exit(main(parser.parse_args(), parser.error))
