"""A model's advice as a YAML file: what to choose by what is known of rows and cluster, and what to search."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from aiok_spark.core.errors import ConfError, did_you_mean

_SHIPPED = Path(__file__).with_name("sheets")


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Range(_Strict):
    """Values of a Param that are searched: two limits, a grid, or categories; without ``needs`` they change nothing."""

    low: float | None = None
    high: float | None = None
    log: bool = False
    whole: bool = False
    grid: list[float] | None = None
    values: list[Any] | None = None
    needs: str | None = None
    because: str

    @model_validator(mode="after")
    def _one_kind(self) -> Range:
        limits = (self.low is None) + (self.high is None)
        if limits == 1 or (limits == 0) + (self.grid is not None) + (self.values is not None) != 1:
            raise ValueError("expected low and high, or grid, or values")
        if self.low is not None and self.high is not None and not self.low < self.high:
            raise ValueError(f"found low {self.low:g} and high {self.high:g}, expected the lower one first")
        return self


class Choice(_Strict):
    """A value of a Param: the first of ``upTo`` that a fact does not exceed, or always the same."""

    value: Any = None
    by: str | None = None
    upTo: list[tuple[float | None, Any]] = Field(default_factory=list)
    because: str

    @model_validator(mode="after")
    def _one_way(self) -> Choice:
        if bool(self.by) != bool(self.upTo) or (self.by and self.value is not None):
            raise ValueError("expected value, or by and upTo")
        if self.upTo and self.upTo[-1][0] is not None:
            raise ValueError("expected null as the last limit of upTo, for all larger facts")
        return self

    def chosen(self, facts: dict[str, float]) -> Any:
        """The value for these facts."""
        if self.by is None:
            return self.value
        return next(value for limit, value in self.upTo if limit is None or facts[self.by] <= limit)


class Sheet(_Strict):
    """The advice of a model."""

    model: str
    about: str
    estimator: str | None = None
    evaluator: Literal["binary", "multiclass", "regression"]
    metric: str
    workersParam: str | None = None
    rowsForAWorker: int = 1
    choose: dict[str, Choice] = Field(default_factory=dict)
    search: dict[str, Range]


def sheet_names() -> list[str]:
    """Models that there is advice for."""
    return sorted(file.stem for file in _SHIPPED.glob("*.yaml"))


def read_sheet(recipe: str) -> Sheet:
    """The sheet of a model, by its name or by the path of a file of your own.

    Raises
    ------
    ConfError
        If there is none, or it cannot be used; names each key.
    """
    path = _SHIPPED / f"{recipe}.yaml" if recipe in sheet_names() else Path(recipe)
    if not path.is_file():
        raise ConfError(
            f"advise: found no recipe '{recipe}', expected a model or the path of a YAML file; "
            + did_you_mean(recipe, sheet_names())
        )
    try:
        return Sheet.model_validate(yaml.safe_load(path.read_text()))
    except (ValidationError, yaml.YAMLError) as e:
        if isinstance(e, yaml.YAMLError):
            raise ConfError(f"{path.name}: found no YAML ({' '.join(str(e).split())}), expected keys and values") from e
        told = "; ".join(f"{'.'.join(map(str, error['loc']))}: {error['msg']}" for error in e.errors())
        raise ConfError(f"{path.name}: {told}") from None
