"""<!-- IF mnist
-->A digit classifier of LeNet's size: what is on a sample, how sure one can be, and features to compare images by.

Its weights (classifier.safetensors) were trained on MNIST's 60,000 training digits; the file also holds the mean and
covariance of the features of these digits, and in its metadata the accuracy on the 10,000 test digits.
<!-- ELSE A classifier of LeNet's size: what is on a sample, how sure one can be, and features to compare images by.

Its weights (classifier.safetensors) were trained on the training images of {name}; the file also holds the mean and
covariance of the features of these images, and in its metadata the accuracy on the test images.
--><!-- END IF
-->"""

from pathlib import Path

import torch
from safetensors import safe_open
from torch import nn

WEIGHTS = Path(__file__).resolve().parent / "classifier.safetensors"


class Classifier(nn.Module):
    """Three convolutions, then 64 features, then ten logits. Images are (B, 1, 28, 28) in [-1, 1]."""

    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(
            *stage(1, 16, 5),  # (B, 16, 14, 14)
            *stage(16, 32, 3),  # (B, 32, 7, 7)
            *stage(32, 64, 3),  # (B, 64, 3, 3)
            nn.Flatten(),
            nn.Linear(576, 64),
            nn.ReLU(),
        )
        self.logits = nn.Linear(64, 10)

    def forward(self, x):
        """Logits, (B, 10), of images (B, 1, 28, 28)."""
        return self.logits(self.features(x))


def stage(channels_in, channels_out, size):
    """A convolution, normalisation, and half the width and height."""
    conv = nn.Conv2d(channels_in, channels_out, size, padding=size // 2, bias=False)
    return conv, nn.BatchNorm2d(channels_out), nn.ReLU(), nn.MaxPool2d(2)


def load():
    """(classifier, mean, covariance): the trained classifier, and (64,) and (64, 64) of real digits' features."""
    with safe_open(WEIGHTS, framework="pt") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}
    mean, covariance = tensors.pop("real.mean"), tensors.pop("real.covariance")
    classifier = Classifier().eval()
    classifier.load_state_dict(tensors)
    return classifier, mean, covariance


@torch.inference_mode()
def through(network, images):
    """The network's outputs for all the images, computed in pieces."""
    return torch.cat([network(part) for part in images.split(500)])


def statistics(features):
    """Mean (F,) and covariance (F, F) of features (N, F), in float64."""
    features = features.double()
    return features.mean(0), features.T.cov()


def frechet_distance(mean, covariance, other_mean, other_covariance):
    """The squared Frechet distance of two normal distributions: |m - m'|^2 + tr(C + C' - 2 (C C')^(1/2)).

    C C' is similar to the symmetric R C' R with R = C^(1/2), so the trace of its root is a sum over eigenvalues.
    """
    values, vectors = torch.linalg.eigh(covariance)
    root = vectors * values.clamp(min=0).sqrt() @ vectors.T
    cross = torch.linalg.eigvalsh(root @ other_covariance @ root).clamp(min=0).sqrt().sum()
    return float((mean - other_mean).square().sum() + covariance.trace() + other_covariance.trace() - 2 * cross)


def measure(images):
    """{"confident": share, "digits": ten counts, "frechet": distance to the training digits} of (N, 1, 28, 28)."""
    network, mean, covariance = load()
    features = through(network.features, images)
    confidence, digit = through(network.logits, features).softmax(1).max(1)
    return {
        "confident": float((confidence > 0.9).double().mean()),
        "digits": digit.bincount(minlength=10).tolist(),
        "frechet": frechet_distance(*statistics(features), mean, covariance),
    }
