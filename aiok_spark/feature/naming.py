"""What the stages share that make several columns of one, and so name them by themselves."""

from __future__ import annotations

from aiok_spark.core.errors import ParamError
from aiok_spark.core.params import HasOutputCols, param, to_names
from aiok_spark.core.stage import RowLocal


class NamesOutputs(RowLocal, HasOutputCols):
    """Mixin, left of the base: ``outputCols`` may be left out."""

    outputCols = param(
        "outputCols",
        "names of the result columns, in the order that the stage's doc gives; default: made from the inputs' names",
        to_names,
        None,
    )

    def _default_outputs(self) -> list[str]:
        """Names of the results, as many as there must be, in order."""
        raise NotImplementedError(f"{type(self).__name__} must name its results: _default_outputs")

    def _outputs(self) -> list[str]:
        given, names = self.getOutputCols(), self._default_outputs()
        if given is not None and len(given) != len(names):
            raise ParamError(
                f"{self._label}: outputCols: found {len(given)} names, expected {len(names)}: one for each of {names}; "
                "name as many, or leave outputCols out to get these"
            )
        return names if given is None else given
