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
    content, right = train(*data.mnist("train"), *data.mnist("t10k"))
    write(given.WEIGHTS, content)
    print(f"{right:.2%} of the test digits right; {len(content) / 1000:.0f} kB")


def train(
    images: torch.Tensor, labels: torch.Tensor, test_images: torch.Tensor, test_labels: torch.Tensor
) -> tuple[bytes, float]:
    """(the bytes of classifier.safetensors, the share of the test set that it is right about).

    images  uint8 (N, 1, 28, 28); labels uint8 (N,)
    """
    torch.manual_seed(0)
    model, images = given.Classifier(), pixels(images)
    fit(model, images, labels.long())
    mean, covariance = given.statistics(given.through(model.features, images))
    right = (given.through(model, pixels(test_images)).argmax(1) == test_labels).double().mean().item()
    tensors = {**model.state_dict(), "real.mean": mean, "real.covariance": covariance}
    return save(tensors, {"test_accuracy": f"{right:.4f}"}), right


def pixels(images: torch.Tensor) -> torch.Tensor:
    return images.float() / 127.5 - 1


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
