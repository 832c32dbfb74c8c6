"""Another data set than MNIST: what a course about it needs, made of its four IDX files.

    solution/datasets/NAME/digits5k.npz, test1k.npz    the images that ship
    solution/datasets/NAME/classifier.safetensors      what judges samples, trained here in some minutes
    solution/datasets/NAME/md5.json                    of the four files: students' copies must be the same

They are written once, and committed: what is there is left alone as long as the four files are the same.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torchvision import datasets

from ...checks.training import HELD_OUT
from ...files import write
from ...rubric import MNIST
from . import digits5k, train_classifier
from .course import NAMES

if TYPE_CHECKING:
    from .course import Course

SPLITS = ("train", "t10k")
IMAGES, LABELS = "{}-images-idx3-ubyte", "{}-labels-idx1-ubyte"
FEWEST = 5 * HELD_OUT  # training images: the check of training holds out every fifth of those that ship


def make(course: Course) -> str:
    """Write what the course's data set needs. Returns a line about it. Raises ValueError or OSError, in one line."""
    if course.on[MNIST]:
        return "MNIST: all of it ships"
    raw = folder(course) / "raw"
    found = {split: images_of(raw, split) for split in SPLITS}
    (images, labels), (test_images, test_labels) = found.values()
    if len(images) < FEWEST:
        raise ValueError(f"{raw} has {len(images):,} training images; the check of training takes {FEWEST:,} or more")
    names = [name.format(split) for split in SPLITS for name in (IMAGES, LABELS)]
    files = json.dumps({name: hashlib.md5((raw / name).read_bytes()).hexdigest() for name in names}, indent=4)
    kept = course.dataset / "md5.json"
    if kept.exists() and kept.read_text(encoding="utf-8") == files:
        return f"{course.name}: as it was"
    write(course.dataset / "digits5k.npz", digits5k.packed(*digits5k.firsts(images, labels)))
    write(course.dataset / "test1k.npz", digits5k.packed(*digits5k.some(test_images, test_labels)))
    weights, right = train_classifier.train(images, labels, test_images, test_labels)
    write(course.dataset / "classifier.safetensors", weights)
    write(kept, files)  # last: it says that all is there
    return f"{course.name}: {len(images):,} training images; its classifier is right about {right:.1%} of the others"


def folder(course: Course) -> Path:
    """Where the four files lie, in raw/; those of Fashion-MNIST are fetched where they are missing."""
    data = course.rubric.course["data"]
    if data not in NAMES:
        if not (course.root / data / "raw").is_dir():
            raise ValueError(f"[course] of rubric.toml: there is no folder {data}/raw with the images of the course")
        return course.root / data
    try:
        getattr(datasets, course.name)(course.root / "data", download=True)
    except (OSError, RuntimeError) as error:
        raise OSError(f"{course.name} could not be downloaded: {' '.join(str(error).split())[:200]}") from None
    return course.root / "data" / course.name


def images_of(raw: Path, split: str) -> tuple[torch.Tensor, torch.Tensor]:
    """(images uint8 (N, 1, 28, 28), labels uint8 (N,)) of a split. ValueError for files that are none such."""
    images, labels = idx(raw / IMAGES.format(split)), idx(raw / LABELS.format(split))
    if images.shape[1:] != (28, 28) or labels.ndim != 1 or len(images) != len(labels):
        raise ValueError(f"{raw}: {split} must be (N, 28, 28) and (N,), not {images.shape} and {labels.shape}")
    if not len(labels) or labels.max() > 9:
        raise ValueError(f"{raw}: the labels of {split} must be 0 to 9, and there must be some")
    return torch.from_numpy(images.copy()).unsqueeze(1), torch.from_numpy(labels.copy())


def idx(path: Path) -> np.ndarray:
    """An array of bytes in the format of MNIST's files: 0, 0, 8, the number of axes, their lengths, the bytes."""
    content = path.read_bytes()
    axes = content[3] if len(content) > 4 else 0
    start = 4 + 4 * axes
    lengths = np.frombuffer(content[4:start], ">u4").tolist() if len(content) >= start else []
    if content[:3] != b"\0\0\x08" or len(lengths) != axes or len(content) - start != int(np.prod(lengths)) or not axes:
        raise ValueError(f"{path} is no uncompressed IDX file of bytes, as torchvision's are")
    return np.frombuffer(content, np.uint8, offset=start).reshape(lengths)
