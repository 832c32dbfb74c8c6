"""The picture by hand with numpy and PIL, one image at a time; checkpoints as numpy arrays, with their header by hand."""

import argparse
import json
import struct
import sys

import numpy as np
import torch
from PIL import Image
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from scheduler import DDIMScheduler, DDPMScheduler
from unet import UNet


def arguments():
    parser = argparse.ArgumentParser(prog="infer.py")
    add = parser.add_argument
    add("--checkpoint", required=True)
    add("--output", required=True)
    add("--samples", default=None)
    add("--scheduler", choices=("ddim", "ddpm"), default="ddim")
    add("--steps", type=int, default=50)
    add("--eta", type=float)
    add("--num-images", type=int, default=64)
    add("--seed", type=int, default=0)
    add("--initial-noise")
    add("--device", choices=("auto", "cpu", "cuda", "mps"), default="auto")
    options = parser.parse_args()
    problem = None
    if options.scheduler == "ddpm" and options.eta is not None:
        problem = "--eta is for ddim"
    elif options.eta is not None and (options.eta < 0 or options.eta > 1):
        problem = "--eta is between 0 and 1"
    elif options.steps < 1 or options.num_images < 1:
        problem = "--steps and --num-images start at 1"
    elif options.device == "cuda" and not torch.cuda.is_available():
        problem = "there is no cuda here"
    elif options.device == "mps" and not torch.backends.mps.is_available():
        problem = "there is no mps here"
    if problem:
        parser.error(problem)
    return parser, options


def one(model, scheduler, x, extra):
    for t in scheduler.timesteps:
        with torch.no_grad():
            answer = model(x, torch.tensor([int(t)]))
        x = scheduler.step(answer, int(t), x, **extra)
    return torch.clamp(x, -1, 1)


def load_checkpoint(path):
    arrays = load_file(path)
    with open(path, "rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        config = json.loads(json.loads(file.read(length))["__metadata__"]["config"])
    model = UNet(**config["unet"])
    model.load_state_dict({name: torch.from_numpy(array) for name, array in arrays.items()})
    return model, config


def main():
    parser, options = arguments()
    try:
        model, config = load_checkpoint(options.checkpoint)
    except (OSError, SafetensorError) as error:
        print(error, file=sys.stderr)
        return 1
    model.eval()
    if options.steps > config["num_train_timesteps"]:
        parser.error("too many steps")
    keys = ("num_train_timesteps", "beta_schedule", "beta_start", "beta_end", "prediction_type")
    settings = {key: config[key] for key in keys}
    scheduler = DDIMScheduler(**settings) if options.scheduler == "ddim" else DDPMScheduler(**settings)
    scheduler.set_timesteps(options.steps)
    generator = torch.Generator()
    generator.manual_seed(options.seed)
    if options.initial_noise:
        noise = torch.from_numpy(load_file(options.initial_noise)["noise"])
    else:
        noise = torch.cat([torch.randn(1, 1, 28, 28, generator=generator) for _ in range(options.num_images)])
    extra = {"generator": generator}
    if options.scheduler == "ddim" and options.eta:
        extra["eta"] = options.eta
    samples = np.concatenate([one(model, scheduler, noise[i : i + 1], extra).numpy() for i in range(len(noise))])

    columns = int(np.ceil(np.sqrt(len(samples))))
    rows = -(-len(samples) // columns)
    canvas = np.zeros((2 + 30 * rows, 2 + 30 * columns), dtype=np.uint8)
    for i, sample in enumerate(samples[:, 0]):
        row, column = divmod(i, columns)
        top, left = 2 + 30 * row, 2 + 30 * column
        canvas[top : top + 28, left : left + 28] = np.round((sample + 1) / 2 * 255).astype(np.uint8)
    Image.fromarray(canvas).save(options.output)
    if options.samples:
        save_file({"samples": samples.astype(np.float32)}, options.samples)
    return 0


if __name__ == "__main__":
    sys.exit(main())
