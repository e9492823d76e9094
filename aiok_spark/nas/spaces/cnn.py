"""Residual convolutional networks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from aiok_spark.core.errors import ParamError
from aiok_spark.nas.space import Genes, require_values
from aiok_spark.nas.spaces.images import ImageSpace
from aiok_spark.training.features import FeatureSpec


@dataclass(frozen=True)
class CnnSpace(ImageSpace):
    """Kind, kernel, channels and number of the residual blocks of each stage.

    Attributes
    ----------
    imageShape : tuple of int
        Channels, height and width.
    strides : tuple of int
        Of each stage; their number is that of the stages.
    kinds : tuple of str
        Of "basic" (two convolutions) and "bottleneck" (1x1, a convolution, 1x1).
    kernels : tuple of int
        Odd.
    channels : tuple of int
        For the first stage; those of a stage with a stride of 2 and all behind it are twice as many.
    blocks : tuple of int
        Of a stage.
    stems, heads : tuple of int
        Channels of the first and the last convolution.

    References
    ----------
    Lin et al.: Zen-NAS, arXiv:2102.01063.

    Examples
    --------
    >>> space = CnnSpace(imageShape=(1, 28, 28), strides=(1, 2), channels=(8, 16), blocks=(1, 2))
    """

    strides: tuple[int, ...] = (1, 2, 2, 1)
    kinds: tuple[str, ...] = ("basic", "bottleneck")
    kernels: tuple[int, ...] = (3, 5, 7)
    channels: tuple[int, ...] = (8, 16, 24, 32, 48, 64)
    blocks: tuple[int, ...] = (1, 2, 3, 4)
    stems: tuple[int, ...] = (8, 16, 32)
    heads: tuple[int, ...] = (64, 128, 256)

    name = "cnn"
    network = "aiok_spark.nas.networks.cnn:ResidualNetwork"
    rows = 32

    def __post_init__(self) -> None:
        require_values(self, kinds=CnnSpace.kinds)
        if even := [kernel for kernel in self.kernels if kernel % 2 == 0]:
            raise ParamError(f"CnnSpace: kernels: found {even[0]}, expected odd numbers")

    def genes(self, features: FeatureSpec) -> dict[str, Sequence[Any]]:
        """Four for each stage, and the convolutions at both ends."""
        found: dict[str, Sequence[Any]] = {"stem": self.stems, "head": self.heads}
        scale = 1
        for number, stride in enumerate(self.strides):
            scale *= stride
            found[f"{number}.kind"] = self.kinds
            found[f"{number}.kernel"] = self.kernels
            found[f"{number}.channels"] = [scale * channels for channels in self.channels]
            found[f"{number}.blocks"] = self.blocks
        return found

    def arguments(self, genes: Genes, features: FeatureSpec) -> dict[str, Any]:
        """Stage by stage."""
        stages = [
            {name: genes[f"{number}.{name}"] for name in ("kind", "kernel", "channels", "blocks")} | {"stride": stride}
            for number, stride in enumerate(self.strides)
        ]
        ends = {name: genes[name] for name in ("stem", "head")}
        return {"stages": stages, **ends, "imageShape": list(self.imageShape)}
