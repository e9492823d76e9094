"""The cells of NAS-Bench-201."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from aiok_spark.nas.space import Genes
from aiok_spark.nas.spaces.images import ImageSpace
from aiok_spark.training.features import FeatureSpec

OPERATIONS = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")
EDGES = ("0>1", "0>2", "1>2", "0>3", "1>3", "2>3")


@dataclass(frozen=True)
class NasBench201(ImageSpace):
    """Cells of four nodes whose six edges have one of five operations each: 15,625 networks for images.

    Attributes
    ----------
    imageShape : tuple of int
        Channels, height and width.
    channels, cells : int
        Width of the first of three stages, and cells of each.

    References
    ----------
    Dong, Yang: NAS-Bench-201: Extending the Scope of Reproducible Neural Architecture Search, arXiv:2001.00326.

    Examples
    --------
    >>> space = NasBench201(imageShape=(1, 28, 28), channels=8, cells=1)
    """

    channels: int = 16
    cells: int = 5

    name = "nasbench201"
    network = "aiok_spark.nas.networks.nasbench201:CellNetwork"
    rows = 32

    def genes(self, features: FeatureSpec) -> dict[str, Sequence[Any]]:
        """An operation for each edge."""
        return dict.fromkeys(EDGES, OPERATIONS)

    def arguments(self, genes: Genes, features: FeatureSpec) -> dict[str, Any]:
        """Operations in the order of the edges."""
        return {
            "edges": [genes[edge] for edge in EDGES],
            "imageShape": list(self.imageShape),
            "channels": self.channels,
            "cells": self.cells,
        }


def genes_of(text: str) -> Genes:
    """The genes of an architecture as the benchmark writes it: ``|op~0|+|op~0|op~1|+|op~0|op~1|op~2|``."""
    operations = [edge.partition("~")[0] for node in text.split("+") for edge in node.strip("|").split("|")]
    return dict(zip(EDGES, operations, strict=True))
