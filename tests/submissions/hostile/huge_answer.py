"""Returns a tensor of a gigabyte."""
import torch


def answer(right, original_samples, noise, timesteps):
    return torch.zeros(1, dtype=torch.uint8).expand(1 << 30)
