"""Transformer encoders over tokens."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from aiok_spark.nas.space import ArchitectureSpace, Genes, require_values
from aiok_spark.nas.spaces.vit import AZ_NAS
from aiok_spark.training.features import FeatureSpec


@dataclass(frozen=True)
class BertSpace(ArchitectureSpace):
    """Layers, heads, width and hidden width of an encoder whose layers are all alike.

    It reads one column: an array of as many ids in each row, 0 where there is no token.

    Attributes
    ----------
    layers, widths, heads, hidden : tuple of int
        Blocks, width of a token, heads of a block, width of its hidden layer.
    headWidth : int
        Of a head.
    dropout : float
        Share of values that a training step leaves out.

    Examples
    --------
    >>> space = BertSpace(layers=(1, 2), widths=(32, 64), heads=(2, 4), hidden=(64, 128), headWidth=16)
    """

    layers: tuple[int, ...] = tuple(range(4, 13))
    widths: tuple[int, ...] = tuple(range(128, 769, 16))
    heads: tuple[int, ...] = tuple(range(8, 13))
    hidden: tuple[int, ...] = tuple(range(128, 3073, 32))
    headWidth: int = 64
    dropout: float = 0.1

    name = "bert"
    network = "aiok_spark.nas.networks.bert:Encoder"
    scores = AZ_NAS
    rows = 16

    def __post_init__(self) -> None:
        require_values(self)

    def refuse(self, features: FeatureSpec) -> str | None:
        """Tokens are one column of ids."""
        if len(features.categorical) == 1 and not features.dense and features.sizes[0]:
            return None
        return (
            f"found {len(features.dense)} columns of numbers and {len(features.categorical)} of ids, expected one of "
            "ids with a known number of them, an array of tokens; name it alone in categoricalCols"
        )

    def genes(self, features: FeatureSpec) -> dict[str, Sequence[Any]]:
        """One for each of the four."""
        return {"layers": self.layers, "width": self.widths, "heads": self.heads, "hidden": self.hidden}

    def arguments(self, genes: Genes, features: FeatureSpec) -> dict[str, Any]:
        """As they are."""
        return {**genes, "headWidth": self.headWidth, "dropout": self.dropout}
