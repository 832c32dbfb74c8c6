"""No picture library and no safetensors for the checkpoint: the header is read with struct and json, the PNG written with
zlib, and everything between is numpy."""
import argparse
import json
import math
import struct
import sys
import zlib

import numpy as np
import torch
from safetensors.numpy import load_file, save_file

from scheduler import DDIMScheduler, DDPMScheduler, FlowMatchScheduler, guided
from unet import UNet

TYPES = {"F32": np.float32, "F64": np.float64, "I64": np.int64}


def read_safetensors(path):
    """Eight bytes with the header's length, the header as JSON, and the tensors' bytes one after the other."""
    with open(path, "rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        if length > 10_000_000:
            raise ValueError("not a safetensors file")
        header = json.loads(file.read(length))
        data = file.read()
    metadata = header.pop("__metadata__", {})
    tensors = {}
    for name, entry in header.items():
        begin, end = entry["data_offsets"]
        if end > len(data):
            raise ValueError("the file is cut off")
        array = np.frombuffer(data[begin:end], TYPES[entry["dtype"]]).reshape(entry["shape"])
        tensors[name] = torch.from_numpy(array.copy())
    return tensors, metadata


def write_png(path, grey):
    def chunk(kind, content):
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    height, width = grey.shape
    rows = b"".join(b"\0" + row.tobytes() for row in grey)
    with open(path, "wb") as file:
        file.write(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)))
        file.write(chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))


def tile(samples):
    n = len(samples)
    columns = math.isqrt(n - 1) + 1
    rows = math.ceil(n / columns)
    padded = np.full((rows * columns, 30, 30), -1.0)
    padded[:n, 2:, 2:] = samples[:, 0]
    big = padded.reshape(rows, columns, 30, 30).swapaxes(1, 2).reshape(rows * 30, columns * 30)
    return np.rint((np.pad(big, ((0, 2), (0, 2)), constant_values=-1) + 1) * 127.5).astype(np.uint8)


def main():
    ap = argparse.ArgumentParser(argument_default=argparse.SUPPRESS)
    ap.add_argument("--checkpoint", required=True)
    ap.add_argument("--output", required=True)
    ap.add_argument("--samples")
    ap.add_argument("--scheduler", default="ddim", choices=("ddim", "ddpm", "flow"))
    ap.add_argument("--steps", type=int, default=50)
    ap.add_argument("--eta", type=float)
    ap.add_argument("--num-images", type=int, default=64)
    ap.add_argument("--seed", type=int, default=0)
    ap.add_argument("--initial-noise")
    ap.add_argument("--device", default="auto", choices=("auto", "cpu", "cuda", "mps"))
    ap.add_argument("--label", type=int)
    ap.add_argument("--guidance", type=float, default=1)
    opt = vars(ap.parse_args())
    if "eta" in opt and opt["scheduler"] != "ddim":
        ap.error("--eta is for ddim")
    if not 0 <= opt.get("eta", 0) <= 1:
        ap.error("--eta from 0 to 1")
    for name in ("steps", "num_images"):
        if opt[name] < 1:
            ap.error(f"--{name.replace('_', '-')} from 1")
    device = opt["device"]
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        torch.empty(1).to(device)
    except (RuntimeError, AssertionError, NotImplementedError):
        ap.error(f"no {device} here")

    try:
        tensors, metadata = read_safetensors(opt["checkpoint"])
        config = json.loads(metadata["config"])
        model = UNet(**config.pop("unet"))
        model.load_state_dict(tensors)
    except Exception as error:
        print("no checkpoint:", " ".join(str(error).split()) or type(error).__name__, file=sys.stderr)
        sys.exit(1)
    if opt["steps"] > config["num_train_timesteps"]:
        ap.error(f"--steps up to {config['num_train_timesteps']}")
    sampler = {"ddim": DDIMScheduler, "ddpm": DDPMScheduler, "flow": FlowMatchScheduler}[opt["scheduler"]](**config)
    sampler.set_timesteps(opt["steps"])

    rng = np.random.default_rng(opt["seed"])
    x = rng.standard_normal((opt["num_images"], 1, 28, 28), dtype=np.float32)
    if "initial_noise" in opt:
        x = load_file(opt["initial_noise"])["noise"]
    eta = {"eta": opt["eta"]} if "eta" in opt else {}
    model.to(device).eval()
    x = torch.tensor(x, device=device)
    with torch.inference_mode():
        for t in sampler.timesteps.tolist():
            # noise from numpy, so that it is the same on every device
            z = torch.from_numpy(rng.standard_normal(x.shape, dtype=np.float32)).to(device)
            ts = torch.from_numpy(np.full(len(x), t)).to(device)
            out = model(x, ts)
            if "label" in opt:
                out = guided(model(x, ts, torch.from_numpy(np.full(len(x), opt["label"])).to(device)), out, opt["guidance"])
            x = sampler.step(out, t, x, variance_noise=z, **eta)
    samples = np.clip(x.cpu().numpy(), -1, 1)
    write_png(opt["output"], tile(samples))
    if "samples" in opt:
        save_file({"samples": samples}, opt["samples"])


if __name__ == "__main__":
    main()
