"""The network: a small U-Net that is told the timestep.

A digit is folded from 28 x 28 x 1 to 14 x 14 x 4 before anything else (pixel-unshuffle: each 2 x 2 square of pixels
becomes four channels), so that no convolution runs at 28 x 28, where most of a U-Net's time goes. Below is one finer
level at 14 x 14, one coarser level at 7 x 7 with attention in its middle, and a skip connection around the latter.

Shapes in comments: B images, C and D the channels of the finer and the coarser level, E those of the time embedding.
"""

import math

import torch
from torch import nn
from torch.nn import functional as F


class UNet(nn.Module):
    """UNet(...)(x, t) -> output: an estimate of epsilon or of v; which one, only training decides.

    image_channels  channels of the images, 1 for grey digits
    channels        (C, D): channels at 14 x 14 and at 7 x 7, multiples of 8
    num_blocks      residual blocks in each of the four stages
    time_channels   E, channels of the time embedding, an even number
    num_heads       attention heads, a divisor of D
    num_classes     how many labels it is told, 0 ... num_classes - 1; None for a network without

    The defaults have 340,006 parameters. UNet(channels=(16, 24), time_channels=16) has 43,406, for a quick look.
    """

    def __init__(
        self, image_channels=1, channels=(48, 64), num_blocks=1, time_channels=64, num_heads=4, num_classes=None
    ):
        super().__init__()
        C, D = channels
        E = time_channels
        self.time = TimeEmbedding(E)
        self.stem = nn.Conv2d(4 * image_channels, C, 3, padding=1)
        self.down = blocks(num_blocks, C, C, E)
        self.shrink = nn.Conv2d(4 * C, D, 1)
        self.encoder = blocks(num_blocks, D, D, E)
        self.attention = Attention(D, num_heads)
        self.decoder = blocks(num_blocks, D, D, E)
        self.grow = nn.Conv2d(D, 4 * C, 1)
        self.up = blocks(num_blocks, 2 * C, C, E)
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
        h = self.stem(F.pixel_unshuffle(x, 2))  # (B, C, 14, 14)
        for block in self.down:
            h = block(h, time)
        skip = h
        h = self.shrink(F.pixel_unshuffle(h, 2))  # (B, D, 7, 7)
        for block in self.encoder:
            h = block(h, time)
        h = self.attention(h)
        for block in self.decoder:
            h = block(h, time)
        h = F.pixel_shuffle(self.grow(h), 2)  # (B, C, 14, 14)
        h = torch.cat([h, skip], dim=1)  # (B, 2C, 14, 14)
        for block in self.up:
            h = block(h, time)  # (B, C, 14, 14)
        h = F.pixel_shuffle(self.head(F.silu(self.norm(h))), 2)  # (B, 1, 28, 28)
        # In much noise, epsilon is nearly x itself, and 48 channels are few to rebuild it from. So t decides how much
        # of x is in the output, and how strong the rest is.
        scale, share = self.gate(time)[:, :, None, None].chunk(2, dim=1)  # each (B, 1, 1, 1)
        return (1 + scale) * h + share * x


def blocks(number, channels_in, channels_out, time_channels):
    """`number` residual blocks, the first of which changes the number of channels."""
    sizes = [channels_in] + [channels_out] * (number - 1)
    return nn.ModuleList(ResidualBlock(size, channels_out, time_channels) for size in sizes)


class ResidualBlock(nn.Module):
    """Two convolutions beside a shortcut; between them the time embedding scales and shifts every channel."""

    def __init__(self, channels_in, channels_out, time_channels):
        super().__init__()
        self.norm1 = nn.GroupNorm(8, channels_in)
        self.conv1 = nn.Conv2d(channels_in, channels_out, 3, padding=1)
        self.time = nn.Linear(time_channels, 2 * channels_out)
        self.norm2 = nn.GroupNorm(8, channels_out)
        self.conv2 = nn.Conv2d(channels_out, channels_out, 3, padding=1)
        nn.init.zeros_(self.conv2.weight)
        self.shortcut = nn.Conv2d(channels_in, channels_out, 1) if channels_in != channels_out else nn.Identity()

    def forward(self, x, time):
        """x (B, channels_in, H, W), time (B, E); returns (B, channels_out, H, W)."""
        h = self.conv1(F.silu(self.norm1(x)))
        scale, shift = self.time(time)[:, :, None, None].chunk(2, dim=1)  # each (B, channels_out, 1, 1)
        h = self.norm2(h) * (1 + scale) + shift
        return self.shortcut(x) + self.conv2(F.silu(h))


class Attention(nn.Module):
    """Every place looks at every other place of the image, beside a shortcut."""

    def __init__(self, channels, num_heads):
        super().__init__()
        self.num_heads = num_heads
        self.norm = nn.GroupNorm(8, channels)
        self.qkv = nn.Conv2d(channels, 3 * channels, 1)
        self.out = nn.Conv2d(channels, channels, 1)
        nn.init.zeros_(self.out.weight)

    def forward(self, x):
        """x (B, D, H, W); returns the same shape."""
        B, D, H, W = x.shape
        qkv = self.qkv(self.norm(x)).reshape(B, 3, self.num_heads, D // self.num_heads, H * W)
        q, k, v = qkv.transpose(-1, -2).unbind(1)  # each (B, heads, HW, D / heads)
        h = F.scaled_dot_product_attention(q, k, v)
        return x + self.out(h.transpose(-1, -2).reshape(B, D, H, W))


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
