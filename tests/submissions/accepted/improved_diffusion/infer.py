"""In the manner of improved-diffusion's image_sample.py: a dict of defaults becomes the arguments, a loop that yields every
step, and an array of uint8 images at the end."""
import argparse
import json
import sys

import numpy as np
import torch as th
from PIL import Image
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torchvision.utils import make_grid

from scheduler import DDIMScheduler, DDPMScheduler
from unet import UNet


def sample_defaults():
    return dict(checkpoint="", output="", samples="", scheduler="ddim", steps=50, eta=-1.0, num_images=64, seed=0,
                initial_noise="", device="auto")


def add_dict_to_argparser(parser, default_dict):
    for k, v in default_dict.items():
        parser.add_argument("--" + k.replace("_", "-"), default=v, type=type(v), required=k in ("checkpoint", "output"))


def create_argparser():
    parser = argparse.ArgumentParser()
    add_dict_to_argparser(parser, sample_defaults())
    return parser


def validate(parser, args):
    eta_given = any(word == "--eta" or word.startswith("--eta=") for word in sys.argv)
    if args.scheduler not in ("ddim", "ddpm"):
        parser.error("--scheduler: ddim or ddpm")
    if args.scheduler == "ddpm" and eta_given:
        parser.error("--eta: not with ddpm")
    if eta_given and not 0 <= args.eta <= 1:
        parser.error("--eta: 0 to 1")
    if not eta_given:
        args.eta = 0.0
    if min(args.steps, args.num_images) < 1:
        parser.error("--steps, --num-images: 1 or more")
    if args.device not in ("auto", "cpu", "cuda", "mps"):
        parser.error("--device: auto, cpu, cuda or mps")
    if args.device == "auto":
        args.device = "cuda" if th.cuda.is_available() else "cpu"
    if args.device == "cuda" and not th.cuda.is_available() or args.device == "mps" and not th.backends.mps.is_available():
        parser.error("--device: this machine has no " + args.device)


def create_model_and_diffusion(args):
    with safe_open(args.checkpoint, framework="pt") as f:
        config = json.loads(f.metadata()["config"])
    model = UNet(**config.pop("unet"))
    model.load_state_dict(load_file(args.checkpoint))
    diffusion = {"ddim": DDIMScheduler, "ddpm": DDPMScheduler}[args.scheduler](**config)
    return model.to(args.device).eval(), diffusion, config["num_train_timesteps"]


def sample_loop_progressive(model, diffusion, noise, **kwargs):
    img = noise
    for i in diffusion.timesteps.tolist():
        t = th.tensor([i] * img.shape[0], device=img.device)
        with th.no_grad():
            img = diffusion.step(model(img, t), i, img, **kwargs)
            yield img


def main():
    parser = create_argparser()
    args = parser.parse_args()
    validate(parser, args)
    try:
        model, diffusion, T = create_model_and_diffusion(args)
    except Exception as e:
        print(f"cannot load {args.checkpoint}: {type(e).__name__}", file=sys.stderr)
        sys.exit(1)
    if args.steps > T:
        parser.error(f"--steps: at most {T}")
    diffusion.set_timesteps(args.steps)
    generator = th.Generator(device=args.device)
    generator.manual_seed(args.seed)
    if args.initial_noise:
        noise = load_file(args.initial_noise)["noise"].to(args.device)
    else:
        noise = th.randn(args.num_images, 1, 28, 28, generator=generator, device=args.device)
    kwargs = dict(generator=generator)
    if args.scheduler == "ddim":
        kwargs["eta"] = args.eta
    final = None
    for sample in sample_loop_progressive(model, diffusion, noise, **kwargs):
        final = sample
    final = final.clamp(-1, 1).cpu().contiguous()
    if args.samples:
        save_file({"samples": final}, args.samples)
    grid = make_grid(final, nrow=int(np.ceil(np.sqrt(len(final)))), padding=2, pad_value=-1.0)
    arr = ((grid + 1) * 127.5).round().clamp(0, 255).to(th.uint8).permute(1, 2, 0).numpy()
    Image.fromarray(arr).save(args.output)


if __name__ == "__main__":
    main()
