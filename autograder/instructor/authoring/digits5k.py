"""Make the digits that ship with the kit: the first 500 of each kind in MNIST's training set, in the set's own order,
and 1,000 of its test set, drawn by chance.

python -m autograder.instructor.authoring.digits5k writes solution/digits5k.npz and test1k.npz. Needs the full set
(`make data`).
"""

import io
import sys

import numpy as np
import torch

from ...paths import ROOT

sys.path.insert(0, str(ROOT / "solution"))
import data
from saving import write

PER_DIGIT, UNSEEN = 500, 1000


def firsts(images: torch.Tensor, labels: torch.Tensor) -> tuple[np.ndarray, np.ndarray]:
    """Images uint8 (N, 28, 28) and labels uint8 (N,): of a training set, the first of each kind."""
    chosen = [torch.nonzero(labels == digit)[:PER_DIGIT, 0] for digit in range(10)]
    order = torch.cat(chosen).sort().values
    return images[order, 0].numpy(), labels[order].numpy()


def some(images: torch.Tensor, labels: torch.Tensor) -> tuple[np.ndarray, np.ndarray]:
    """The same of a test set, drawn by chance."""
    chosen = data.test_order(len(images))[:UNSEEN]
    return images[chosen, 0].numpy(), labels[chosen].numpy()


def packed(images: np.ndarray, labels: np.ndarray) -> bytes:
    """The bytes of an .npz file."""
    content = io.BytesIO()
    np.savez_compressed(content, images=images, labels=labels)
    return content.getvalue()


def main() -> None:
    for path, split, choose in ((data.DIGITS5K, "train", firsts), (data.TEST1K, "t10k", some)):
        images, labels = choose(*data.mnist(split))
        content = packed(images, labels)
        write(path, content)
        print(f"{path.name}: {len(images):,} digits, {len(content) / 1000:.0f} kB")


if __name__ == "__main__":
    main()
