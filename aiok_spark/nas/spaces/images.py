"""What spaces for images share."""

from __future__ import annotations

import math
from dataclasses import dataclass

from aiok_spark.nas.space import ArchitectureSpace, require_values
from aiok_spark.training.features import FeatureSpec


@dataclass(frozen=True)
class ImageSpace(ArchitectureSpace):
    """Base of spaces whose networks read an image as the numbers of a row, channel by channel.

    Attributes
    ----------
    imageShape : tuple of int
        Channels, height and width.
    """

    imageShape: tuple[int, int, int] = (3, 32, 32)

    def __post_init__(self) -> None:
        require_values(self)

    def refuse(self, features: FeatureSpec) -> str | None:
        """Why the columns are not such an image."""
        wanted = math.prod(self.imageShape)
        if features.width == wanted and not features.categorical:
            return None
        return (
            f"found {features.width} numbers and {len(features.categorical)} columns of ids, expected {wanted} "
            f"numbers, the pixels of imageShape {tuple(self.imageShape)}; name their column, or change imageShape"
        )
