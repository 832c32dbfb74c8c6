"""Make the digits that ship with the kit: the first 500 of each kind in MNIST's training set, in the set's own order.

python -m autograder.instructor.authoring.digits5k writes solution/digits5k.npz. Needs the full set (`make data`).
"""

import io
import sys

import numpy as np
import torch

from ...paths import ROOT

sys.path.insert(0, str(ROOT / "solution"))
import data
from saving import write

PER_DIGIT = 500


def choose() -> tuple[np.ndarray, np.ndarray]:
    """Images uint8 (5000, 28, 28) and labels uint8 (5000,)."""
    images, labels = data.mnist("train")
    firsts = [torch.nonzero(labels == digit)[:PER_DIGIT, 0] for digit in range(10)]
    order = torch.cat(firsts).sort().values
    return images[order, 0].numpy(), labels[order].numpy()


def main() -> None:
    images, labels = choose()
    content = io.BytesIO()
    np.savez_compressed(content, images=images, labels=labels)
    write(data.DIGITS5K, content.getvalue())
    print(f"{data.DIGITS5K.name}: {len(images):,} digits, {len(content.getvalue()) / 1000:.0f} kB")


if __name__ == "__main__":
    main()
