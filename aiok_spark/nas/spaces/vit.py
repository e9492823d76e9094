"""Vision transformers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from aiok_spark.nas.space import Genes
from aiok_spark.nas.spaces.images import ImageSpace
from aiok_spark.training.features import FeatureSpec

AZ_NAS = ("expressivity", "trainability", "flops")  # arXiv:2403.19232, section 4: of transformers


@dataclass(frozen=True)
class VitSpace(ImageSpace):
    """Width and depth of a vision transformer, heads and hidden width of each of its layers.

    Attributes
    ----------
    imageShape : tuple of int
        Channels, height and width.
    patch : int
        Pixels of a patch's side, which divides height and width.
    headWidth : int
        Of a head.
    depths, widths, heads : tuple of int
        Layers; width of a token; heads of a layer.
    ratios : tuple of float
        Hidden width of a layer by the width of a token.
    dropout : float
        Share of values that a training step leaves out.

    References
    ----------
    Chen et al.: AutoFormer, ICCV 2021, arXiv:2107.00651, table 1 (the defaults are its tiny space).

    Examples
    --------
    >>> space = VitSpace(imageShape=(1, 28, 28), patch=7, headWidth=16, depths=(2, 3), widths=(32, 48), heads=(2, 3))
    """

    imageShape: tuple[int, int, int] = (3, 224, 224)
    patch: int = 16
    headWidth: int = 64
    depths: tuple[int, ...] = (12, 13, 14)
    widths: tuple[int, ...] = (192, 216, 240)
    heads: tuple[int, ...] = (3, 4)
    ratios: tuple[float, ...] = (3.5, 4.0)
    dropout: float = 0.0

    name = "vit"
    network = "aiok_spark.nas.networks.vit:VisionTransformer"
    scores = AZ_NAS
    rows = 16

    def refuse(self, features: FeatureSpec) -> str | None:
        """Patches must fit, too."""
        _, height, across = self.imageShape
        if height % self.patch or across % self.patch:
            return (
                f"found imageShape {tuple(self.imageShape)} and patch {self.patch}, expected a patch that divides "
                "height and width; change it"
            )
        return super().refuse(features)

    def genes(self, features: FeatureSpec) -> dict[str, Sequence[Any]]:
        """Depth and width, and two for each layer."""
        layers = range(max(self.depths))
        each = {
            f"{i}.{name}": values for i in layers for name, values in (("heads", self.heads), ("ratio", self.ratios))
        }
        return {"depth": self.depths, "width": self.widths, **each}

    def arguments(self, genes: Genes, features: FeatureSpec) -> dict[str, Any]:
        """The layers that there are."""
        width = genes["width"]
        return {
            "layers": [[genes[f"{i}.heads"], int(genes[f"{i}.ratio"] * width)] for i in range(genes["depth"])],
            "width": width,
            "headWidth": self.headWidth,
            "patch": self.patch,
            "imageShape": list(self.imageShape),
            "dropout": self.dropout,
        }
