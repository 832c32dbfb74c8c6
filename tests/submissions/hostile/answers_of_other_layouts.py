"""Answers in layouts that hold values in other ways: nested, compressed, quantised, of MKL."""

import torch

KINDS = [
    lambda x: torch.nested.nested_tensor([x[:1], x]),
    lambda x: x.flatten(1).to_sparse_csr(),
    lambda x: torch.quantize_per_tensor(x.float(), 0.1, 0, torch.qint8),
    lambda x: x.float().contiguous().to_mkldnn(),
]


def answer(right, original_samples, noise, timesteps):
    return KINDS[len(noise) % len(KINDS)](right())
