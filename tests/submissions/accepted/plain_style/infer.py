import argparse, json, math, sys
from pathlib import Path
import torch
from safetensors import safe_open
from safetensors.torch import save_file, load_file
from torchvision.utils import make_grid, save_image
from scheduler import DDPMScheduler, DDIMScheduler
from unet import UNet

def parse_args():
    p = argparse.ArgumentParser()
    p.add_argument("--checkpoint", required=True)
    p.add_argument("--output", required=True)
    p.add_argument("--samples")
    p.add_argument("--scheduler", choices=["ddim", "ddpm"], default="ddim")
    p.add_argument("--steps", type=int, default=50)
    p.add_argument("--eta", type=float, default=None)
    p.add_argument("--num-images", type=int, default=64)
    p.add_argument("--seed", type=int, default=0)
    p.add_argument("--initial-noise")
    p.add_argument("--device", choices=["auto", "cpu", "cuda", "mps"], default="auto")
    a = p.parse_args()
    if a.scheduler == "ddpm" and a.eta is not None: p.error("--eta is of DDIM only")
    if a.eta is None: a.eta = 0.0
    if not 0 <= a.eta <= 1: p.error("--eta must be in [0, 1]")
    if a.steps < 1: p.error("--steps must be at least 1")
    if a.num_images < 1: p.error("--num-images must be at least 1")
    if a.device == "auto": a.device = "cuda" if torch.cuda.is_available() else "cpu"
    if a.device == "cuda" and not torch.cuda.is_available(): p.error("no cuda here")
    if a.device == "mps" and not torch.backends.mps.is_available(): p.error("no mps here")
    return p, a

def load_model(path, device):
    try:
        with safe_open(path, framework="pt") as fh:
            config = json.loads((fh.metadata() or {})["config"])
            weights = {k: fh.get_tensor(k) for k in fh.keys()}
        model = UNet(**config["unet"])
        model.load_state_dict(weights)
    except Exception as e:
        print(f"cannot read {path}: {type(e).__name__}", file=sys.stderr)
        sys.exit(1)
    return model.to(device).eval(), config

def main():
    p, args = parse_args()
    model, config = load_model(args.checkpoint, args.device)
    if args.steps > config["num_train_timesteps"]: p.error("too many steps")
    settings = {k: v for k, v in config.items() if k != "unet"}
    cls = DDIMScheduler if args.scheduler == "ddim" else DDPMScheduler
    sched = cls(**settings)
    sched.set_timesteps(args.steps, device=args.device)
    gen = torch.Generator(device="cpu").manual_seed(args.seed)
    if args.initial_noise:
        x = load_file(args.initial_noise)["noise"]
    else:
        x = torch.randn(args.num_images, 1, 28, 28, generator=gen)
    x = x.to(args.device)
    kw = {"eta": args.eta} if args.scheduler == "ddim" else {}
    with torch.inference_mode():
        for t in sched.timesteps:
            out = model(x, torch.full((len(x),), int(t), device=args.device, dtype=torch.int64))
            x = sched.step(out, t, x, generator=gen, **kw)
    x = x.clamp(-1, 1).float().cpu()
    save_image((x + 1) / 2, args.output, nrow=math.ceil(math.sqrt(len(x))))
    if args.samples:
        save_file({"samples": x.contiguous()}, args.samples)

if __name__ == "__main__":
    main()
