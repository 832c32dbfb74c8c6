"""A unet.py for the check of infer.py: the same interface as the real one, an output that is known in closed form.

Here a checkpoint holds the exact denoiser of images whose pixels are independent and normal, which is linear in x: one
slope and one offset for every timestep. It also counts how it is called. That list is made in the student's process,
so it may be forged: it is good for a hint, and never for points.
"""

import torch
from torch import nn

# (the first timestep, gradients are recorded, training mode), one for each call
calls: list[tuple[float, bool, bool]] = []


class UNet(nn.Module):
    """UNet(...)(x, t) -> slope[t] x + offset[t] pattern, where `time_channels` is the number of timesteps.

    With labels, the pattern is multiplied with a number of each; the last is that of no label.
    """

    # Without types, like the real one: a test compares their signatures.
    def __init__(
        self, image_channels=1, channels=(40, 64), num_blocks=3, time_channels=64, num_heads=4, num_classes=None
    ):
        super().__init__()
        self.slope = nn.Parameter(torch.zeros(time_channels))
        self.offset = nn.Parameter(torch.zeros(time_channels))
        self.pattern = nn.Parameter(torch.zeros(image_channels, 28, 28))
        self.label = nn.Parameter(torch.zeros(num_classes + 1)) if num_classes else None

    def forward(self, x: torch.Tensor, t: torch.Tensor, labels: torch.Tensor | None = None) -> torch.Tensor:
        """x (B, 1, 28, 28), t (B,), labels (B,); returns (B, 1, 28, 28). As with the real one, a t or labels without an
        axis are an error, and so are labels where none are known."""
        index = t[:, None, None, None].long().clamp(0, len(self.slope) - 1)
        pattern = self.pattern
        if self.label is not None:
            known = torch.full_like(t, len(self.label) - 1) if labels is None else labels
            pattern = self.label[known[:, None, None, None].long()] * pattern
        elif labels is not None:
            raise ValueError("this network was trained without labels")
        output = self.slope[index] * x + self.offset[index] * pattern
        calls.append((t.flatten()[0].item(), output.requires_grad, self.training))
        return output
