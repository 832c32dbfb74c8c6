"""How good are samples? Your infer.py makes them; a classifier and a distance to real digits judge them.<!--
IF report ddim --> Handout 7.2.<!-- END IF -->

    ### IF v_prediction mnist
    python evaluate.py --checkpoint checkpoints/v_prediction.safetensors        1 minute of a core
    ### ELSE python evaluate.py --checkpoint {checkpoint}        1 minute of a core
    ### END IF

Its words: "confident" is the share of images for which the classifier's largest probability is above 0.9; "digits" is
how many of each it sees; "Frechet distance" compares mean and covariance of the features of the images with those of
### IF mnist
all MNIST training digits (as FID does with another network, so only compare these numbers with each other). It depends
### ELSE all training images (as FID does with another network: only compare these numbers with each other). It depends
### END IF
on the number of images, so it always stands beside its floor: the same measure for equally many real digits. The share
### IF report ddim
never stands alone: a classifier that knows only digits is sure of many things that are none. study.py makes tables and
plots of all this.
### ELSE never stands alone: a classifier that knows only digits is sure of many things that are none.
### END IF
"""

from __future__ import annotations

import argparse
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import torch
from rich.progress import track

import classifier
import data
import sampling

PART = 125  # images that one run of infer.py makes: often enough that the bar knows how long the rest takes
FEWEST = 65  # images, one more than there are features: the covariance of fewer says nothing of a distance
SURE, FAR = 0.5, 20  # a larger share, with a distance of more floors than this, is a disagreement


def judged(found: dict[str, Any], floor: dict[str, Any]) -> str:
    """One line: share and distance of samples, with those of real digits. Both are results of classifier.measure, of
    equally many images."""
    n = sum(floor["digits"])
    if n < FEWEST:
        return f"{round(found['confident'] * n)} of {n} confident; a Frechet distance takes {FEWEST} images or more"
    share, distance = f"confident {found['confident']:.1%}", f"Frechet distance {found['frechet']:.2f}"
    return f"{share}, {distance} (real digits: {floor['confident']:.1%}, {floor['frechet']:.2f}, the floor)"


def disagree(found: dict[str, Any], floor: dict[str, Any]) -> bool:
    """Whether the classifier is sure of most of the samples, and the distance says that they are no digits."""
    enough = sum(floor["digits"]) >= FEWEST
    return enough and found["confident"] > SURE and found["frechet"] > FAR * floor["frechet"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--checkpoint", type=Path, required=True)
    parser.add_argument(
        "--num-images", type=int, default=1000, help="samples; with more than 1000, run `make data` first"
    )
    parser.add_argument("--steps", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", choices=("auto", "cpu", "cuda", "mps"), default="auto")
    parser.add_argument("--picture", type=Path, default=Path("samples.png"), help="where the first samples are shown")
    options = parser.parse_args()
    if options.num_images < FEWEST:
        parser.error(f"--num-images must be at least {FEWEST}, for a Frechet distance")
    try:
        real, line = data.unseen(options.num_images)
    except (OSError, ValueError) as error:
        sys.exit(f"evaluate.py: {error}")
    images = samples(options)
    if not images.isfinite().all():
        sys.exit("evaluate.py: some samples are not finite; `make grade` says more about your scheduler")
    found, floor = classifier.measure(images), classifier.measure(real)
    ### IF ddim
    ### IF flow
    method = "Euler" if sampling.of_flow(options.checkpoint) else "DDIM"
    print(f"{len(images):,} samples, {options.steps} {method} steps, beside {line}:\n  {judged(found, floor)}")
    ### ELSE print(f"{len(images):,} samples, {options.steps} DDIM steps, beside {line}:\n  {judged(found, floor)}")
    ### END IF
    ### ELSE print(f"{len(images):,} samples, {options.steps} steps, beside {line}:\n  {judged(found, floor)}")
    ### END IF
    print(f"  digits 0 to 9: {found['digits']}\n  of the real ones: {floor['digits']}")
    if disagree(found, floor):
        print(
            "  They disagree: the classifier is sure, and the distance is far from its floor. The classifier knows only"
        )
        print("  digits, and may be sure of blots. Believe the distance, and look at the picture.")
    print(f"The first of them: {options.picture}")


def samples(options: argparse.Namespace) -> torch.Tensor:
    """Samples from noise of --seed, (N, 1, 28, 28), in parts that are made side by side on a CPU."""
    noise = torch.randn(options.num_images, 1, 28, 28, generator=torch.Generator().manual_seed(options.seed))
    on_cpu = options.device == "cpu" or (options.device == "auto" and not torch.cuda.is_available())
    parts = noise.split(PART if on_cpu else 2500)

    def made(number: int) -> torch.Tensor:
        picture = options.picture if number == 0 else None
        settings = {"steps": options.steps, "device": options.device, "picture": picture}
        return sampling.from_noise(options.checkpoint, parts[number], **settings)

    with ThreadPoolExecutor(os.cpu_count() if on_cpu else 1) as pool:
        return torch.cat(list(track(pool.map(made, range(len(parts))), "Sampling", len(parts), transient=True)))


if __name__ == "__main__":
    try:
        main()
    except sampling.NoSamples as error:
        sys.exit(f"evaluate.py: {error}")
    except KeyboardInterrupt:
        sys.exit(130)
