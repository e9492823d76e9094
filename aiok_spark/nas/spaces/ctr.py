"""Networks for clicks and other yes-or-no labels of rows with ids."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from aiok_spark.nas.space import ArchitectureSpace, Genes, require_values
from aiok_spark.training.features import FeatureSpec


@dataclass(frozen=True)
class CtrSpace(ArchitectureSpace):
    """The length of each column's vectors, how vectors meet, depth and widths of the layers below and above.

    Attributes
    ----------
    dims : tuple of int
        Lengths of vectors.
    interactions : tuple of str
        Ways to meet, of "none", "dot", "fm" and "cross".
    commons : tuple of int
        Lengths that vectors are brought to where they meet.
    crosses : tuple of int
        Numbers of cross layers.
    bottomDepths, topDepths : tuple of int
        Numbers of hidden layers for the numbers, and behind the meeting.
    widths : tuple of int
        Of a hidden layer.
    dropout : float
        Share of hidden values that a training step leaves out.

    Examples
    --------
    >>> space = CtrSpace(dims=(4, 8), interactions=("dot", "cross"), widths=(64, 128))
    """

    dims: tuple[int, ...] = (4, 8, 16, 32)
    interactions: tuple[str, ...] = ("none", "dot", "fm", "cross")
    commons: tuple[int, ...] = (8, 16, 32)
    crosses: tuple[int, ...] = (1, 2, 3)
    bottomDepths: tuple[int, ...] = (0, 1, 2)
    topDepths: tuple[int, ...] = (1, 2, 3)
    widths: tuple[int, ...] = (32, 64, 128, 256)
    dropout: float = 0.0

    name = "ctr"
    network = "aiok_spark.nas.networks.ctr:ClickNetwork"
    rows = 1024

    def __post_init__(self) -> None:
        require_values(self, zero=("bottomDepths",), interactions=CtrSpace.interactions)

    def refuse(self, features: FeatureSpec) -> str | None:
        """Without two columns of ids nothing can meet."""
        if len(features.categorical) > 1 and set(features.lengths) == {1}:
            return None
        return (
            f"found {len(features.categorical)} columns of ids with {list(features.lengths)} ids each, expected at "
            "least two with one id each, as their vectors meet; name them in categoricalCols"
        )

    def genes(self, features: FeatureSpec) -> dict[str, Sequence[Any]]:
        """A length for each column of ids, and the shape of the network."""
        return {
            **{f"dim.{column}": self.dims for column in features.categorical},
            "interaction": self.interactions,
            "common": self.commons,
            "cross": self.crosses,
            **_stack("bottom", self.bottomDepths if features.dense else (0,), self.widths),
            **_stack("top", self.topDepths, self.widths),
        }

    def arguments(self, genes: Genes, features: FeatureSpec) -> dict[str, Any]:
        """What matters of the genes."""
        interaction = genes["interaction"]
        return {
            "dims": [genes[f"dim.{column}"] for column in features.categorical],
            "interaction": interaction,
            "common": genes["common"] if interaction in ("dot", "fm") else 0,
            "cross": genes["cross"] if interaction == "cross" else 0,
            "bottomLayers": [genes[f"bottom.{i}"] for i in range(genes["bottom"])],
            "topLayers": [genes[f"top.{i}"] for i in range(genes["top"])],
            "dropout": self.dropout,
        }


def _stack(name: str, depths: Sequence[int], widths: Sequence[int]) -> dict[str, Sequence[int]]:
    return {name: depths, **{f"{name}.{i}": widths for i in range(max(depths))}}
