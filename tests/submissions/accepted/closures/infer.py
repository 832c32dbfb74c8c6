"""Without argparse: the words of the command line are read by hand. The loop is a fold over the timesteps."""
import json
import sys
from functools import partial, reduce
from itertools import count

import torch
from safetensors.torch import load_file, safe_open, save_file
from torchvision.utils import save_image

import scheduler
from unet import UNet


def fail(status, text):
    sys.stderr.write(f"infer.py: {text}\n")
    raise SystemExit(status)


wrong_usage, bad_checkpoint = partial(fail, 2), partial(fail, 1)


def one_of(*words):
    def read(word):
        if word not in words:
            raise ValueError(f"one of {', '.join(words)}")
        return word
    return read


def at_least(low):
    def read(word):
        if int(word) < low:
            raise ValueError(f"{low} or more")
        return int(word)
    return read


def share(word):
    if not 0 <= float(word) <= 1:
        raise ValueError("from 0 to 1")
    return float(word)


OPTIONS = {  # how to read it, and what it is when it is not given
    "--checkpoint": (str, None), "--output": (str, None), "--samples": (str, None), "--initial-noise": (str, None),
    "--scheduler": (one_of("ddim", "ddpm", "flow"), "ddim"), "--device": (one_of("auto", "cpu", "cuda", "mps"), "auto"),
    "--label": (lambda word: range(10)[int(word)], None), "--guidance": (float, 1.0),
    "--steps": (at_least(1), 50), "--num-images": (at_least(1), 64), "--seed": (int, 0), "--eta": (share, None),
}


def read(words):
    given = {name: default for name, (_, default) in OPTIONS.items()}
    words = [part for word in words for part in (word.split("=", 1) if word.startswith("--") else [word])]
    if len(words) % 2:
        wrong_usage("every option has one value")
    for name, word in zip(words[::2], words[1::2]):
        if name not in OPTIONS:
            wrong_usage(f"there is no option {name}")
        try:
            given[name] = OPTIONS[name][0](word)
        except ValueError as error:
            wrong_usage(f"{name} {word}: {error}")
    for name in ("--checkpoint", "--output"):
        if given[name] is None:
            wrong_usage(f"{name} is needed")
    if given["--scheduler"] != "ddim" and given["--eta"] is not None:
        wrong_usage("--eta is for ddim")
    return given


def device_of(name):
    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if name != "cpu" and not getattr(torch, name).is_available():
        wrong_usage(f"there is no {name} here")
    return name


def open_checkpoint(path):
    try:
        with safe_open(path, "pt") as file:
            config = json.loads(file.metadata()["config"])
        network = UNet(**config.pop("unet"))
        network.load_state_dict(load_file(path))
    except Exception as error:
        bad_checkpoint(f"{path}: {type(error).__name__}, so it is no checkpoint")
    return network.eval(), config


def main():
    given = read(sys.argv[1:])
    device = device_of(given["--device"])
    network, config = open_checkpoint(given["--checkpoint"])
    if given["--steps"] > config["num_train_timesteps"]:
        wrong_usage(f"--steps {given['--steps']}: only {config['num_train_timesteps']} timesteps")
    generator = torch.Generator().manual_seed(given["--seed"])
    if given["--initial-noise"]:
        noise = load_file(given["--initial-noise"])["noise"]
    else:
        noise = torch.randn((given["--num-images"], 1, 28, 28), generator=generator)

    kind = {"ddim": "DDIMScheduler", "ddpm": "DDPMScheduler", "flow": "FlowMatchScheduler"}[given["--scheduler"]]
    kind = getattr(scheduler, kind)(**config)
    kind.set_timesteps(given["--steps"])
    step = partial(kind.step, generator=generator)
    if given["--eta"]:
        step = partial(step, eta=given["--eta"])
    network.to(device)

    def asked(x, t):
        every = partial(torch.full, [len(x)], device=device)
        if given["--label"] is None:
            return network(x, every(t))
        return scheduler.guided(network(x, every(t), every(given["--label"])), network(x, every(t)), given["--guidance"])

    def turn(x, t):
        return step(asked(x, t), t, x)

    with torch.no_grad():
        samples = reduce(turn, kind.timesteps.tolist(), noise.to(device)).clamp(-1, 1).cpu()
    columns = next(n for n in count(1) if n ** 2 >= len(samples))
    save_image(samples, given["--output"], nrow=columns, normalize=True, value_range=(-1, 1))
    if given["--samples"]:
        save_file({"samples": samples.float().contiguous()}, given["--samples"])


main()
