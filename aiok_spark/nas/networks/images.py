"""Images as a row of numbers."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn


class Pixels(nn.Module):
    """Numbers of a row as an image, channel by channel.

    Parameters
    ----------
    shape : sequence of int
        Channels, height and width.
    """

    def __init__(self, shape: Sequence[int]) -> None:
        super().__init__()
        self.shape = tuple(shape)

    def forward(self, dense: torch.Tensor) -> torch.Tensor:
        """[rows, channels * height * width] to [rows, channels, height, width]."""
        return dense.view(-1, *self.shape)
