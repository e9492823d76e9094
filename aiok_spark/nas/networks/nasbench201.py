"""The networks of NAS-Bench-201: cells of six operations, stacked."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from aiok_spark.nas.networks.images import Pixels
from aiok_spark.training.features import FeatureSpec

NODES = 4  # of a cell, the first is its input


class CellNetwork(nn.Module):
    """A convolution, then cells in three stages of growing width, each but the last followed by a halving block.

    Parameters
    ----------
    features : FeatureSpec
        Pixels as numbers.
    outputs : int
        Values for each row.
    edges : sequence of str
        An operation for each edge of a cell: from node 0 to 1, 0 to 2, 1 to 2, 0 to 3, 1 to 3, 2 to 3.
    imageShape : sequence of int
        Channels, height and width.
    channels : int
        Of the first stage.
    cells : int
        Of each stage.

    References
    ----------
    Dong, Yang: NAS-Bench-201, arXiv:2001.00326, section 2.1; the network without its auxiliary head.
    """

    def __init__(
        self,
        features: FeatureSpec,
        outputs: int,
        edges: Sequence[str],
        imageShape: Sequence[int],
        channels: int = 16,
        cells: int = 5,
    ) -> None:
        super().__init__()
        self.pixels = Pixels(imageShape)
        self.stem = nn.Sequential(
            nn.Conv2d(imageShape[0], channels, 3, padding=1, bias=False), nn.BatchNorm2d(channels)
        )
        parts: list[nn.Module] = []
        for stage in range(3):
            parts += [Halving(channels << (stage - 1))] if stage else []
            parts += [Cell(channels << stage, edges) for _ in range(cells)]
        self.cells = nn.Sequential(*parts)
        width = channels << 2
        self.norm = nn.Sequential(nn.BatchNorm2d(width), nn.ReLU())
        self.last = nn.Linear(width, outputs)

    def stages(self) -> list[nn.Module]:
        """The first convolution, and each cell."""
        return [self.stem, *self.cells]

    def forward(self, dense: torch.Tensor) -> torch.Tensor:
        """Pixels [rows, channels * height * width] to values [rows, outputs]."""
        made = self.norm(self.cells(self.stem(self.pixels(dense))))
        return self.last(made.mean((2, 3)))


class Cell(nn.Module):
    """Each node is the sum of the operations on the nodes before it."""

    def __init__(self, width: int, edges: Sequence[str]) -> None:
        super().__init__()
        self.edges = nn.ModuleDict()
        named = iter(edges)
        for node in range(1, NODES):
            for source in range(node):
                operation = _operation(next(named), width)
                if operation is not None:
                    self.edges[f"{source}_{node}"] = operation

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """[rows, width, height, width] to the same."""
        nodes = [x]
        for node in range(1, NODES):
            into = [
                self.edges[f"{source}_{node}"](nodes[source])
                for source in range(node)
                if f"{source}_{node}" in self.edges
            ]
            nodes.append(sum(into[1:], into[0]) if into else torch.zeros_like(x))
        return nodes[-1]


class Halving(nn.Module):
    """The residual block between stages: twice the width, half the height and width."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.body = nn.Sequential(_conv(width, 2 * width, 3, 2), _conv(2 * width, 2 * width, 3, 1))
        self.short = nn.Sequential(nn.AvgPool2d(2, 2), nn.Conv2d(width, 2 * width, 1, bias=False))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """[rows, width, height, width] to [rows, 2 width, height / 2, width / 2]."""
        return self.body(x) + self.short(x)


def _operation(name: str, width: int) -> nn.Module | None:
    if name == "none":
        return None
    if name == "skip_connect":
        return nn.Identity()
    if name == "avg_pool_3x3":
        return nn.AvgPool2d(3, 1, 1, count_include_pad=False)
    return _conv(width, width, {"nor_conv_1x1": 1, "nor_conv_3x3": 3}[name], 1)


def _conv(width: int, out: int, kernel: int, stride: int) -> nn.Sequential:
    return nn.Sequential(
        nn.ReLU(),
        nn.Conv2d(width, out, kernel, stride, kernel // 2, bias=False),
        nn.BatchNorm2d(out),
    )
