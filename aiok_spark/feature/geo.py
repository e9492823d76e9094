"""Distances between places."""

from __future__ import annotations

from functools import reduce
from operator import and_

from pyspark import keyword_only
from pyspark.sql import Column
from pyspark.sql import functions as F
from pyspark.sql.types import DataType, DoubleType, StructField

from aiok_spark.core.errors import ParamError
from aiok_spark.core.params import HasInputCols, HasOutputCols
from aiok_spark.core.schema import double_field, require_numeric
from aiok_spark.core.stage import RowLocalTransformer
from aiok_spark.kernels import geo as kernels
from aiok_spark.kernels.geo import DEGREE, MOST_LATITUDE, MOST_LONGITUDE, RADIUS
from aiok_spark.kernels.program import Kernel, RowKernel


class HaversineDistance(RowLocalTransformer, HasInputCols, HasOutputCols):
    """Kilometres between two places, along the surface of a spherical Earth.

    Parameters
    ----------
    inputCols : list of str
        Four numeric columns, in degrees: latitude and longitude of the one place, latitude and longitude of the other.
    outputCols : list of str
        Name of the result, a column of double.

    Raises
    ------
    ParamError
        If there are not four inputs and one output.

    Notes
    -----
    The radius is 6371.0088 km, the Earth's mean radius; as the Earth is no sphere, the distance is up to 0.56 % off.
    Latitudes lie in [-90, 90] and longitudes in [-360, 360], so both usual ways to count the latter are welcome. The
    distance is null where a value is null, NaN, or beyond that.

    With ``a = sin^2((lat2 - lat1)/2) + cos lat1 cos lat2 sin^2((lon2 - lon1)/2)`` the distance is
    ``2 R atan2(sqrt(a), sqrt(1 - a))``, where ``1 - a`` is computed as
    ``sin^2((lat2 + lat1)/2) + cos lat1 cos lat2 cos^2((lon2 - lon1)/2)``: so it has all its digits for places at
    opposite ends of the Earth too. Results on and off Spark agree within a few ulp, as Java's and C's functions do.

    Examples
    --------
    >>> HaversineDistance(inputCols=["lat", "lon", "shop_lat", "shop_lon"],
    ...                   outputCols=["km_to_shop"]).transform(df)  # doctest: +SKIP
    """

    @keyword_only
    def __init__(self, *, inputCols=None, outputCols=None):
        super().__init__()
        self.setParams(**self._input_kwargs)

    def _output_fields(self, inputs: list[StructField]) -> list[StructField]:
        if (found := (len(inputs), len(self.getOutputCols()))) != (4, 1):
            raise ParamError(
                f"{self._label}: inputCols, outputCols: found {found} names, expected (4, 1): latitude, longitude, "
                "latitude, longitude, and one result; use one stage for each distance"
            )
        require_numeric(self._label, inputs)
        return [double_field(name) for name in self.getOutputCols()]

    def _kernel_types(self, inputs: list[StructField]) -> list[DataType]:
        return [DoubleType()] * len(inputs)

    def _kernel(self) -> Kernel:
        return kernels.haversine

    def _row_kernel(self) -> RowKernel:
        return kernels.haversine_row

    def _expressions(self, columns: list[Column], types: list[DataType]) -> list[Column]:
        lat1, lon1, lat2, lon2 = columns
        half, degree = F.lit(DEGREE / 2), F.lit(DEGREE)
        step = (lon2 - lon1) * half
        both = F.cos(lat1 * degree) * F.cos(lat2 * degree)
        near = _square(F.sin((lat2 - lat1) * half)) + both * _square(F.sin(step))
        far = _square(F.sin((lat2 + lat1) * half)) + both * _square(F.cos(step))
        limits = zip(columns, (MOST_LATITUDE, MOST_LONGITUDE) * 2, strict=True)
        on_earth = reduce(and_, [F.abs(value) <= F.lit(most) for value, most in limits])
        return [F.when(on_earth, F.lit(2 * RADIUS) * F.atan2(F.sqrt(near), F.sqrt(far)))]


def _square(value: Column) -> Column:
    return value * value
