"""A class that does everything, safe_open for the metadata, make_grid, batches of 16."""

import argparse
import json
import math
import sys
from pathlib import Path

import safetensors
import safetensors.torch
import torch
import torchvision
from scheduler import DDIMScheduler, DDPMScheduler, FlowMatchScheduler, guided
from unet import UNet


class Sampler:
    def __init__(self, path, device):
        with safetensors.safe_open(path, framework="pt") as file:
            meta = file.metadata() or {}
        self.config = json.loads(meta["config"])
        self.model = UNet(**self.config["unet"])
        self.model.load_state_dict(safetensors.torch.load_file(path))
        self.model.to(device).eval()
        self.device = device

    def scheduler(self, kind):
        c = self.config
        if kind == "flow":
            return FlowMatchScheduler(c["num_train_timesteps"], c["prediction_type"])
        cls = DDIMScheduler if kind == "ddim" else DDPMScheduler
        return cls(c["num_train_timesteps"], c["beta_schedule"], c["beta_start"], c["beta_end"], c["prediction_type"])

    def ask(self, x, ts, label, scale):
        if label is None:
            return self.model(x, ts)
        classes = torch.tensor([label] * len(x), dtype=torch.long, device=self.device)
        return guided(self.model(x, ts, classes), self.model(x, ts), scale)

    @torch.inference_mode()
    def __call__(self, x, kind, steps, label, scale, **extra):
        s = self.scheduler(kind)
        s.set_timesteps(steps)
        done = []
        for chunk in x.split(16):
            chunk = chunk.to(self.device)
            for t in s.timesteps.tolist():
                ts = torch.tensor([t] * len(chunk), dtype=torch.long, device=self.device)
                chunk = s.step(model_output=self.ask(chunk, ts, label, scale), timestep=t, sample=chunk, **extra)
            done.append(chunk.cpu())
        return torch.cat(done).clip(-1.0, 1.0)


def between(low, high, kind):
    def parse(text):
        number = kind(text)
        if not low <= number <= high:
            raise argparse.ArgumentTypeError(f"must lie between {low} and {high}")
        return number

    return parse


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--checkpoint", type=Path, required=True)
    ap.add_argument("--output", type=Path, required=True)
    ap.add_argument("--samples", type=Path)
    ap.add_argument("--scheduler", choices=["ddim", "ddpm", "flow"], default="ddim")
    ap.add_argument("--steps", type=between(1, 10**6, int), default=50)
    ap.add_argument("--eta", type=between(0, 1, float))
    ap.add_argument("--num-images", type=between(1, 10**6, int), default=64)
    ap.add_argument("--seed", type=int, default=0)
    ap.add_argument("--initial-noise", type=Path)
    ap.add_argument("--device", choices=["auto", "cpu", "cuda", "mps"], default="auto")
    ap.add_argument("--label", type=between(0, 9, int))
    ap.add_argument("--guidance", type=float, default=1.0)
    a = ap.parse_args()
    if a.scheduler != "ddim" and a.eta is not None:
        ap.error("--eta makes sense with ddim only")
    have = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if a.device == "auto":
        a.device = "cuda" if have["cuda"] else "cpu"
    if not have[a.device]:
        ap.error(f"device {a.device} is not available")
    try:
        sampler = Sampler(a.checkpoint, a.device)
    except (OSError, safetensors.SafetensorError, KeyError, ValueError, TypeError, RuntimeError) as e:
        sys.exit(f"{a.checkpoint}: not a usable checkpoint ({type(e).__name__})")
    if a.steps > sampler.config["num_train_timesteps"]:
        ap.error("--steps exceeds the number of training timesteps")
    torch.manual_seed(a.seed)
    noise = torch.randn(a.num_images, 1, 28, 28)
    if a.initial_noise:
        noise = safetensors.torch.load_file(a.initial_noise)["noise"]
    extra = {"eta": a.eta} if a.eta is not None else {}
    x = sampler(noise, a.scheduler, a.steps, a.label, a.guidance, **extra)
    grid = torchvision.utils.make_grid(x, nrow=math.ceil(math.sqrt(len(x))), padding=2, pad_value=-1)
    pixels = ((grid + 1) * 127.5).round().to(torch.uint8)
    torchvision.io.write_png(pixels, str(a.output))
    if a.samples:
        safetensors.torch.save_file({"samples": x}, a.samples)


main()
