"""How good is a checkpoint? Its samples, judged by a classifier and by a distance to real digits; and its bits.

    python evaluate.py --checkpoint checkpoints/v_prediction.safetensors

It samples with your DDIM and asks the classifier that ships with the kit; then it bounds, with your DDPM, how many bits
the checkpoint needs for a real digit (bound.py). Its words: "confident" is the share of
images for which the classifier's largest probability is above 0.9; "digits" is how many of each it sees; "Frechet
distance" compares mean and covariance of the features of the images with those of all MNIST training digits (as FID
does with another network, so only compare these numbers with each other). It depends on the number of images, so it
always stands beside its floor: the same measure for equally many real digits. study.py makes tables and plots of all
this.
"""

import argparse
import json
import sys
from functools import partial
from pathlib import Path

import torch
from rich.progress import Progress, track
from safetensors import SafetensorError, safe_open

import classifier
import data
from scheduler import DDIMScheduler, DDPMScheduler
from unet import UNet


def load_checkpoint(path):
    """(model, config) of a checkpoint. Raises ValueError, in one line, for a file that is not one."""
    try:
        with safe_open(path, framework="pt") as file:
            config = json.loads(file.metadata()["config"])
            weights = {name: file.get_tensor(name) for name in file.keys()}
        model = UNet(**config["unet"]).eval()
        model.load_state_dict(weights)
    except (OSError, SafetensorError, TypeError, KeyError, ValueError, RuntimeError) as error:
        raise ValueError(f"{path} is not a checkpoint of train.py: {' '.join(str(error).split())[:200]}") from None
    return model, config


@torch.inference_mode()
def sample(model, scheduler, noise, num_steps=50, tick=lambda images: None, **options):
    """From `noise` (N, 1, 28, 28) to images of the same shape, by `scheduler` in `num_steps` steps.

    tick     is told after every call of the network how many images it saw
    options  of every step, such as eta and generator
    """
    scheduler.set_timesteps(num_steps)
    x = noise
    for t in scheduler.timesteps.tolist():
        x = scheduler.step(model(x, torch.full((len(x),), t, device=x.device)), t, x, **options)
        tick(len(x))
    return x.clamp(-1, 1)


def schedule_of(config):
    """The arguments of the schedulers in a checkpoint's config."""
    return {key: value for key, value in config.items() if key != "unet"}


def samples_of(model, config, number, steps, seed):
    """`number` images, (N, 1, 28, 28) in [-1, 1], by DDIM in `steps` steps, from noise of `seed`."""
    noise = torch.randn(number, 1, 28, 28, generator=torch.Generator().manual_seed(seed))
    parts = track(noise.split(250), "Sampling", transient=True)
    return torch.cat([sample(model, DDIMScheduler(**schedule_of(config)), part, steps) for part in parts])


def real_digits(number):
    """`number` real digits, and a line that says which: of MNIST's test set, else of those that ship with the kit."""
    try:
        images, line = data.mnist("t10k")[0], "test digits of MNIST"
    except OSError:
        images, line = data.digits(data.DIGITS5K)[0], "training digits of MNIST, as the test digits are not in data/"
    chosen = torch.randperm(len(images), generator=torch.Generator().manual_seed(0))[:number]
    return images[chosen].float() / 127.5 - 1, f"{len(chosen):,} {line}"


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--checkpoint", type=Path, required=True)
    parser.add_argument("--num-images", type=int, default=1000, help="samples")
    parser.add_argument("--num-coded", type=int, default=20, help="real digits whose bits are bounded")
    parser.add_argument("--steps", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    if not 2 <= options.num_images <= 10_000:
        parser.error("--num-images must be between 2 and 10000: the floor needs as many real digits")
    if not 2 <= options.num_coded <= options.num_images:
        parser.error("--num-coded must be between 2 and --num-images")
    try:
        model, config = load_checkpoint(options.checkpoint)
        real, line = real_digits(options.num_images)
    except (OSError, ValueError) as error:
        sys.exit(f"evaluate.py: {error}")
    images = samples_of(model, config, options.num_images, options.steps, options.seed)
    if not images.isfinite().all():
        sys.exit("evaluate.py: some samples are not finite; `make grade` says more about your scheduler")
    report(f"{len(images):,} samples, {options.steps} DDIM steps", classifier.measure(images), "")
    report(line, classifier.measure(real), " (the floor)")
    from bound import send, summary  # not above, because training needs this file and has no bound

    coded = real[: options.num_coded]
    generator = torch.Generator().manual_seed(options.seed)
    for variance_type in ("fixed_small", "fixed_large"):
        scheduler = DDPMScheduler(**schedule_of(config), variance_type=variance_type)
        with Progress(transient=True) as progress:
            task = progress.add_task("Coding", total=len(coded) * scheduler.num_train_timesteps)
            code = send(model, scheduler, coded, generator, partial(progress.advance, task))
        print(f"{len(coded)} of these digits, sent with variance {variance_type}:\n  {summary(code)}")


def report(title, result, remark):
    print(f"{title}:\n  confident {result['confident']:.1%}, digits 0 to 9: {result['digits']}")
    print(f"  Frechet distance to the training digits {result['frechet']:.2f}{remark}")


if __name__ == "__main__":
    try:
        main()
    except NotImplementedError as todo:
        sys.exit(f"evaluate.py: {todo} of scheduler.py is not done yet, and sampling needs it")
