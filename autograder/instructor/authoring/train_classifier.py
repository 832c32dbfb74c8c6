"""Train the digit classifier that judges samples, on all of MNIST.

    python -m autograder.instructor.authoring.train_classifier

Writes solution/classifier.safetensors: the weights, mean and covariance of the features of the training digits, and
the accuracy on the test digits as metadata. Needs the full set (`make data`).
"""

import sys

import torch
from rich.progress import track
from safetensors.torch import save
from torch.nn import functional as F

from ...paths import ROOT

sys.path.insert(0, str(ROOT / "solution"))
import classifier as given
import data
from saving import write

EPOCHS, BATCH_SIZE, PEAK_RATE = 6, 128, 3e-3


def main() -> None:
    images, labels = digits("train")
    torch.manual_seed(0)
    model = given.Classifier()
    fit(model, images, labels)
    mean, covariance = given.statistics(given.through(model.features, images))
    test_images, test_labels = digits("t10k")
    right = given.through(model, test_images).argmax(1) == test_labels
    tensors = {**model.state_dict(), "real.mean": mean, "real.covariance": covariance}
    write(given.WEIGHTS, save(tensors, {"test_accuracy": f"{right.double().mean():.4f}"}))
    parameters = sum(parameter.numel() for parameter in model.parameters())
    size = given.WEIGHTS.stat().st_size / 1000
    print(f"{right.sum()} of {len(right):,} test digits right; {parameters:,} parameters, {size:.0f} kB")


def digits(split: str) -> tuple[torch.Tensor, torch.Tensor]:
    images, labels = data.mnist(split)
    return images.float() / 127.5 - 1, labels.long()


def fit(model: given.Classifier, images: torch.Tensor, labels: torch.Tensor) -> None:
    steps = EPOCHS * (len(images) // BATCH_SIZE)
    optimizer = torch.optim.AdamW(model.parameters(), weight_decay=0.05)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, PEAK_RATE, total_steps=steps)
    order: tuple[torch.Tensor, ...] = ()  # drawn anew in each epoch
    model.train()
    for step in track(range(steps), "Training the classifier", transient=True):
        if step % (steps // EPOCHS) == 0:
            order = torch.randperm(len(images)).split(BATCH_SIZE)
        chosen = order[step % (steps // EPOCHS)]
        # Shifted by up to two pixels: samples are not centred as MNIST's digits are, and that is no fault of theirs.
        shift = torch.randint(-2, 3, (2,)).tolist()
        loss = F.cross_entropy(model(images[chosen].roll(shift, (2, 3))), labels[chosen])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    model.eval()


if __name__ == "__main__":
    main()
