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


def choose() -> tuple[np.ndarray, np.ndarray]:
    """Images uint8 (5000, 28, 28) and labels uint8 (5000,)."""
    images, labels = data.mnist("train")
    firsts = [torch.nonzero(labels == digit)[:PER_DIGIT, 0] for digit in range(10)]
    order = torch.cat(firsts).sort().values
    return images[order, 0].numpy(), labels[order].numpy()


def choose_unseen() -> tuple[np.ndarray, np.ndarray]:
    """Images uint8 (1000, 28, 28) and labels uint8 (1000,)."""
    images, labels = data.mnist("t10k")
    chosen = data.test_order()[:UNSEEN]
    return images[chosen, 0].numpy(), labels[chosen].numpy()


def main() -> None:
    for path, (images, labels) in ((data.DIGITS5K, choose()), (data.TEST1K, choose_unseen())):
        content = io.BytesIO()
        np.savez_compressed(content, images=images, labels=labels)
        write(path, content.getvalue())
        print(f"{path.name}: {len(images):,} digits, {len(content.getvalue()) / 1000:.0f} kB")


if __name__ == "__main__":
    main()
