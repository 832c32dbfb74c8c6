"""The network: a small U-Net that is told the timestep.

A digit is folded from 28 x 28 x 1 to 14 x 14 x 4 before anything else (pixel-unshuffle: each 2 x 2 square of pixels
becomes four channels), so that no convolution runs at 28 x 28, where most of a U-Net's time goes. One convolution at
14 x 14, then most of the work at 7 x 7, where it is cheap: mixers, in which every place sees every other, and residual
blocks, in turn. Then back to 14 x 14, where a skip connection brings the details, and one more block.

Shapes in comments: B images, C and D the channels of the finer and the coarser level, E those of the time embedding.
"""

import math

import torch
from torch import nn
from torch.nn import functional as F

PLACES = 7 * 7  # at the coarser level


class UNet(nn.Module):
    """UNet(...)(x, t) -> output: an estimate of epsilon or of v; which one, only training decides.

    image_channels  channels of the images, 1 for grey digits
    channels        (C, D): channels at 14 x 14 and at 7 x 7, multiples of 8
    num_blocks      mixers, each with a residual block after it, at 7 x 7
    time_channels   E, channels of the time embedding, an even number
    num_heads       heads of a mixer, each with a table of its own; a divisor of D
    num_classes     how many labels it is told, 0 ... num_classes - 1; None for a network without

    The defaults have 367,850 parameters. UNet(channels=(16, 24), time_channels=16) has 76,730, for a quick look.
    """

    def __init__(
        self, image_channels=1, channels=(40, 64), num_blocks=3, time_channels=64, num_heads=4, num_classes=None
    ):
        super().__init__()
        C, D = channels
        E = time_channels
        self.time = TimeEmbedding(E)
        self.stem = nn.Conv2d(4 * image_channels, C, 3, padding=1)
        self.shrink = nn.Conv2d(4 * C, D, 1)
        self.mixers = nn.ModuleList(Mixer(D, num_heads) for _ in range(num_blocks))
        self.blocks = nn.ModuleList(ResidualBlock(D, E) for _ in range(num_blocks))
        self.grow = nn.Conv2d(D, 4 * C, 1)
        self.last = ResidualBlock(C, E)
        self.norm = nn.GroupNorm(8, C)
        self.head = nn.Conv2d(C, 4 * image_channels, 3, padding=1)
        self.gate = nn.Linear(E, 2)
        nn.init.zeros_(self.gate.weight)
        nn.init.zeros_(self.gate.bias)
        self.label = nn.Embedding(num_classes + 1, E) if num_classes else None  # the last one stands for no label

    def forward(self, x, t, labels=None):
        """x (B, 1, 28, 28), t int64 (B,) with entries 0 ... T-1; returns (B, 1, 28, 28).

        labels  int64 (B,), for a network with num_classes; num_classes itself, as None for all, is no label
        """
        time = self.time(t)  # (B, E)
        if self.label is not None:
            time = time + self.label(torch.full_like(t, self.label.num_embeddings - 1) if labels is None else labels)
        elif labels is not None:
            raise ValueError("this network was trained without labels")
        skip = self.stem(F.pixel_unshuffle(x, 2))  # (B, C, 14, 14)
        h = self.shrink(F.pixel_unshuffle(skip, 2))  # (B, D, 7, 7)
        for mixer, block in zip(self.mixers, self.blocks, strict=True):
            h = block(mixer(h), time)
        h = skip + F.pixel_shuffle(self.grow(h), 2)  # (B, C, 14, 14)
        h = self.last(h, time)
        h = F.pixel_shuffle(self.head(F.silu(self.norm(h))), 2)  # (B, 1, 28, 28)
        # In much noise, epsilon is nearly x itself, and 40 channels are few to rebuild it from. So t decides how much
        # of x is in the output, and how strong the rest is.
        scale, share = self.gate(time)[:, :, None, None].chunk(2, dim=1)  # each (B, 1, 1, 1)
        return (1 + scale) * h + share * x


class ResidualBlock(nn.Module):
    """Two convolutions beside a shortcut; between them the time embedding scales and shifts every channel."""

    def __init__(self, channels, time_channels):
        super().__init__()
        self.norm1 = nn.GroupNorm(8, channels)
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1)
        self.time = nn.Linear(time_channels, 2 * channels)
        self.norm2 = nn.GroupNorm(8, channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1)
        nn.init.zeros_(self.conv2.weight)

    def forward(self, x, time):
        """x (B, channels, H, W), time (B, E); returns the shape of x."""
        h = self.conv1(F.silu(self.norm1(x)))
        scale, shift = self.time(time)[:, :, None, None].chunk(2, dim=1)  # each (B, channels, 1, 1)
        h = self.norm2(h) * (1 + scale) + shift
        return x + self.conv2(F.silu(h))


class Mixer(nn.Module):
    """Every place sees every other place of the image, beside a shortcut (MLP-Mixer, arXiv 2105.01601).

    How much it sees of each is learned: a table of places x places for each head. Self-attention computes such a table
    anew for every image; for small images that all look alike, it costs more than it brings.
    """

    def __init__(self, channels, num_heads):
        super().__init__()
        self.norm = nn.GroupNorm(8, channels)
        self.value = nn.Conv2d(channels, channels, 1)
        self.table = nn.Parameter(torch.randn(num_heads, PLACES, PLACES) / math.sqrt(PLACES))
        self.out = nn.Conv2d(channels, channels, 1)
        nn.init.zeros_(self.out.weight)

    def forward(self, x):
        """x (B, D, 7, 7); returns the same shape."""
        value = self.value(self.norm(x)).reshape(len(x), len(self.table), -1, PLACES)  # (B, heads, D / heads, places)
        h = torch.einsum("bhdp,hpq->bhdq", value, self.table)
        return x + self.out(h.reshape(x.shape))


class TimeEmbedding(nn.Module):
    """t as sines and cosines of many frequencies, as words' positions in a Transformer, then two linear layers."""

    def __init__(self, channels):
        super().__init__()
        frequencies = torch.exp(-math.log(10_000) * torch.arange(channels // 2) / (channels // 2))
        self.register_buffer("frequencies", frequencies, persistent=False)
        self.layers = nn.Sequential(nn.Linear(channels, channels), nn.SiLU(), nn.Linear(channels, channels), nn.SiLU())

    def forward(self, t):
        """t (B,) int64; returns (B, E)."""
        angles = t[:, None] * self.frequencies  # (B, E / 2)
        return self.layers(torch.cat([angles.sin(), angles.cos()], dim=1))
