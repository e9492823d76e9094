"""Negative samples for rows."""

from __future__ import annotations

from functools import reduce
from operator import and_

from pyspark import keyword_only
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import StructField, StructType

from aiok_spark.core.errors import ParamError
from aiok_spark.core.params import param, to_name, to_names
from aiok_spark.core.progress import working
from aiok_spark.core.schema import column, find_fields, require_keys
from aiok_spark.core.stage import Estimator, FitTimeModel, RowLocalModel
from aiok_spark.core.state import State
from aiok_spark.feature.sampling import Sampler, SamplerModel
from aiok_spark.feature.with_negatives import with_negatives
from aiok_spark.kernels.program import Kernel


class _NegativeSampleParams(Sampler):
    keyCols = param("keyCols", "columns that say who the user is; no default", to_names)
    itemCol = param("itemCol", "column of the item; no default", to_name)
    labelCol = param(
        "labelCol", "name of the label that the training form gets: 1.0 or 0.0; default 'label'", to_name, "label"
    )

    def _inputs(self) -> list[str]:
        return [*self.getKeyCols(), self.getItemCol()]

    def _input_fields(self, schema: StructType) -> list[StructField]:
        keys = find_fields(self._label, "keyCols", self.getKeyCols(), schema)
        return keys + find_fields(self._label, "itemCol", [self.getItemCol()], schema)

    def _output_fields(self, inputs: list[StructField]) -> list[StructField]:
        require_keys(self._label, inputs[:-1])
        require_keys(self._label, inputs[-1:], "itemCol")
        for name, named in (("itemCol", self.getKeyCols()), ("labelCol", self._inputs())):
            if self.getOrDefault(name) in named:
                raise ParamError(
                    f"{self._label}: {name}: found '{self.getOrDefault(name)}', which is another input, expected a "
                    "column of its own; name another"
                )
        return []


class NegativeSampleModel(FitTimeModel, SamplerModel, _NegativeSampleParams, RowLocalModel):
    """Fitted items; adds negatives to the rows of its fit, once, and leaves all others as they are."""

    def transformTraining(self, dataset: DataFrame, known: DataFrame | None = None) -> DataFrame:
        """Rows with negatives and labels, of any positives; such as those that are to be measured on.

        Parameters
        ----------
        dataset : DataFrame
            Positives.
        known : DataFrame, optional
            More positives of the same users (the columns ``keyCols`` and ``itemCol``), not to be drawn either; such
            as the rows of the fit.
        """
        _NegativeSampleParams._output_fields(self, _NegativeSampleParams._input_fields(self, dataset.schema))
        self._require_fitted_type(self.getItemCol(), dataset.schema[self.getItemCol()].dataType)
        return with_negatives(self, dataset, known)

    def missingNegatives(self, dataset: DataFrame, known: DataFrame | None = None) -> int:
        """How many negatives ``transformTraining`` does not find, because users have seen the items; runs a job."""
        label = column(self.getLabelCol())
        made = self.transformTraining(dataset, known).where(column(self.getItemCol()).isNotNull())
        positives, negatives = made.agg(F.count(F.when(label == 1.0, 1)), F.count(F.when(label == 0.0, 1))).first()
        return positives * self.getNumNegatives() - negatives

    def _inputs(self) -> list[str]:
        return []

    def _outputs(self) -> list[str]:
        return []

    def _input_fields(self, schema: StructType) -> list[StructField]:
        return []

    def _output_fields(self, inputs: list[StructField]) -> list[StructField]:
        return []

    def _kernel(self) -> list[Kernel]:
        return []

    def _transform_training(self, dataset: DataFrame) -> DataFrame:
        return self.transformTraining(dataset)


class NegativeSample(_NegativeSampleParams, Estimator):
    """Negatives for rows that are all positives: copies with another item, and a label.

    In a ``Pipeline`` the stages behind it are fitted on the rows with negatives. All other rows pass unchanged,
    without a label; ``model.transformTraining(df)`` gives negatives for them too.

    Parameters
    ----------
    keyCols : list of str
        Who the user is: strings, integers, booleans or dates.
    itemCol : str
        The item, of such a type.
    labelCol : str
        Name of the label of the training form: 1.0 for a row of the input, 0.0 for a negative; replaces a column.
    numNegatives : int
        Negatives of each row, all different.
    power : float
        An item is drawn in proportion to ``count ** power``.
    seed : int
        Another seed gives other negatives.
    verbose : bool
        Show progress.

    Raises
    ------
    DataError
        At fit: no item.

    Warns
    -----
    UserWarning
        At fit, if users have seen so many items that their rows get fewer negatives; it says how many rows.

    Notes
    -----
    Never drawn are the items that the user has in any row of the DataFrame. Draw j of a row is SQL's
    ``xxhash64(seed, keys..., item, n, j)`` (all numbers as BIGINT), where n numbers the rows of one user and item from
    0, in the order of a hash of all columns but maps. So negatives depend neither on partitions nor on other users. A
    row without a user is a user of its own; one without an item gets no negatives.

    A negative keeps all other columns of its positive. Join what belongs to the item behind this stage.

    The fit counts the items, and in a second pass the rows of each user. The training form shuffles the rows by user
    and sorts them once. A user's rows are handled 8192 at a time, each time with all items that the user has seen; so
    time is linear in the rows, but a user with a million rows and 100 000 items takes minutes.

    Examples
    --------
    >>> sample = NegativeSample(keyCols=["user"], itemCol="item", numNegatives=4, power=0.75)  # doctest: +SKIP
    >>> model, train = sample.fitTransform(df)  # doctest: +SKIP
    >>> valid = model.transformTraining(held_out, known=df)  # doctest: +SKIP
    """

    _model = NegativeSampleModel

    @keyword_only
    def __init__(
        self, *, keyCols=None, itemCol=None, labelCol="label", numNegatives=1, power=0.0, seed=0, verbose=True
    ):
        super().__init__()
        self.setParams(**self._input_kwargs)

    def _fit_state(self, dataset: DataFrame) -> State:
        with working(f"{self._label}: counting items", self.getVerbose()):
            state = self._fitted_items(dataset, self.getItemCol())
            items = len(state.tables["vocabulary"])
            self._warn_of_few(self._short(dataset, items), items)
        return state

    def _short(self, dataset: DataFrame, items: int) -> int:
        """How many rows get fewer negatives."""
        keys, item, most = [*map(column, self.getKeyCols())], column(self.getItemCol()), items - self.getNumNegatives()
        rows = dataset.where(reduce(and_, [c.isNotNull() for c in keys])).groupBy(*keys)
        if not rows.agg(F.count(item).alias("rows")).where(F.col("rows") > most).limit(1).count():
            return 0  # who has few rows has seen few items, which is far cheaper to count
        busy = rows.agg(F.count(item).alias("rows"), F.count_distinct(item).alias("seen")).where(F.col("seen") > most)
        return busy.agg(F.sum("rows")).first()[0] or 0
