"""Residual convolutional networks, stage by stage."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import nn

from aiok_spark.nas.networks.images import Pixels
from aiok_spark.training.features import FeatureSpec


class ResidualNetwork(nn.Module):
    """A convolution, stages of residual blocks, a 1x1 convolution, the mean over places.

    Parameters
    ----------
    features : FeatureSpec
        Pixels as numbers.
    outputs : int
        Values for each row.
    stages : sequence of dict
        ``kind`` ("basic": two convolutions, "bottleneck": 1x1, a convolution, 1x1), ``kernel``, ``channels``,
        ``blocks`` and ``stride`` of each.
    stem, head : int
        Channels of the first and the last convolution.
    imageShape : sequence of int
        Channels, height and width.

    References
    ----------
    Lin et al.: Zen-NAS, arXiv:2102.01063, section 4; He et al., arXiv:1512.03385.
    """

    def __init__(
        self,
        features: FeatureSpec,
        outputs: int,
        stages: Sequence[Mapping[str, Any]],
        stem: int,
        head: int,
        imageShape: Sequence[int],
    ) -> None:
        super().__init__()
        self.pixels = Pixels(imageShape)
        self.stem = nn.Sequential(*_conv(imageShape[0], stem, 3), nn.ReLU())
        blocks: list[nn.Module] = []
        width = stem
        for stage in stages:
            for number in range(stage["blocks"]):
                stride = 1 if number else stage["stride"]
                blocks.append(Residual(stage["kind"], stage["kernel"], width, stage["channels"], stride))
                width = stage["channels"]
        self.blocks = nn.Sequential(*blocks)
        self.head = nn.Sequential(*_conv(width, head, 1), nn.ReLU())
        self.last = nn.Linear(head, outputs)

    def stages(self) -> list[nn.Module]:
        """The first convolution, and each block."""
        return [self.stem, *self.blocks]

    def forward(self, dense: torch.Tensor) -> torch.Tensor:
        """Pixels [rows, channels * height * width] to values [rows, outputs]."""
        return self.last(self.head(self.blocks(self.stem(self.pixels(dense)))).mean((2, 3)))


class Residual(nn.Module):
    """Convolutions with a link around them."""

    def __init__(self, kind: str, kernel: int, width: int, channels: int, stride: int) -> None:
        super().__init__()
        if kind == "bottleneck":
            inner = max(8, channels // 4)
            self.body = nn.Sequential(
                *_conv(width, inner, 1),
                nn.ReLU(),
                *_conv(inner, inner, kernel, stride),
                nn.ReLU(),
                *_conv(inner, channels, 1),
            )
        else:
            body = [*_conv(width, channels, kernel, stride), nn.ReLU(), *_conv(channels, channels, kernel)]
            self.body = nn.Sequential(*body)
        same = width == channels and stride == 1
        self.short = nn.Identity() if same else nn.Sequential(*_conv(width, channels, 1, stride))
        self.relu = nn.ReLU()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """[rows, width, height, width] to [rows, channels, height / stride, width / stride]."""
        return self.relu(self.body(x) + self.short(x))


def _conv(width: int, out: int, kernel: int, stride: int = 1) -> list[nn.Module]:
    return [nn.Conv2d(width, out, kernel, stride, kernel // 2, bias=False), nn.BatchNorm2d(out)]
