"""Configuration of a flow: a YAML file, checked key by key before anything is started."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from aiok_spark.core.errors import ConfError, did_you_mean

C = TypeVar("C", bound="RunConf")


class RunConf(BaseModel):
    """What every flow is told; a recipe adds its own fields."""

    model_config = ConfigDict(extra="forbid", strict=True)

    recipe: str = Field(description="Python file with the pipeline, from the folder of this file")
    input: str | None = Field(None, description="rows to train on: a file, a directory or a pattern")
    test: str | None = Field(None, description="rows to measure on; by default a part of the input")
    output: str | None = Field(None, description="directory for the model, the figures and the report")
    testFraction: Annotated[float, Field(gt=0, lt=1)] = Field(
        0.2, description="share of the input to measure on, in (0, 1), chosen by a hash of each row"
    )
    badRows: Literal["stop", "skip"] = Field(
        "stop", description="what rows do that cannot be read: stop the run, or go to the output's table of rejects"
    )
    seed: Annotated[int, Field(ge=0)] = Field(0, description="of the split and of the training, from 0")
    baseline: bool = Field(False, description="whether to train logistic regression on the same rows, to compare")
    spark: dict[str, str | int | float | bool] = Field(
        default_factory=dict, description="settings of a new session, by Spark's names"
    )


def read_yaml(path: str) -> dict[str, Any]:
    """The mapping in a YAML file; ConfError if it is none."""
    try:
        found = yaml.safe_load(Path(path).read_text())
    except OSError as e:
        raise ConfError(f"{path}: found no file that can be read ({e.strerror}), expected one; check the path") from e
    except yaml.YAMLError as e:
        told = " ".join(str(e).split())
        raise ConfError(f"{path}: found no YAML ({told}), expected keys and values; correct the line") from e
    if not isinstance(found, dict):
        raise ConfError(f"{path}: found {type(found).__name__}, expected keys and values; see conf/dlrm.yaml")
    return found


def read_conf(cls: type[C], found: dict[str, Any], path: str, changes: Iterable[str] = ()) -> C:
    """Check what a file says.

    Parameters
    ----------
    cls : type of RunConf
        The recipe's.
    found : dict
        What the file at ``path`` says.
    changes : iterable of str
        ``key=value``, with dots for keys in keys; values as in YAML.

    Raises
    ------
    ConfError
        Names each unknown key, with what it may have meant, and each value that cannot be used.
    """
    found = json.loads(json.dumps(found, default=str))  # a copy; and what YAML takes for dates are texts here
    for change in changes:
        key, there, value = change.partition("=")
        if not there:
            raise ConfError(f"--set {change}: found no '=', expected key=value; write --set {change}=VALUE")
        *parents, last = key.strip().split(".")
        at = found
        for parent in parents:
            at = at.setdefault(parent, {})
            if not isinstance(at, dict):
                raise ConfError(
                    f"--set {change}: found a value at {parent}, expected keys in it; write --set {parent}="
                )
        at[last] = yaml.safe_load(value)
    try:
        return cls.model_validate(found)
    except ValidationError as e:
        told = "; ".join(_told(cls, error) for error in e.errors())
        raise ConfError(f"{path}: {told}") from None


def _told(cls: type[BaseModel], error: Any) -> str:
    *parents, last = (str(part) for part in error["loc"])
    key = ".".join([*parents, last])
    if error["type"] == "extra_forbidden":
        return f"found the unknown key '{key}', expected one of the recipe's; {did_you_mean(last, _keys(cls, parents))}"
    field = _fields(cls, parents).get(last)
    about = f" ({field.description})" if field is not None and field.description else ""
    return f"{key}{about}: found {error['input']!r}; {error['msg'][0].lower()}{error['msg'][1:]}"


def _keys(cls: type[BaseModel], parents: list[str]) -> list[str]:
    return list(_fields(cls, parents))


def _fields(cls: type[BaseModel], parents: list[str]) -> dict[str, Any]:
    at: Any = cls
    for parent in parents:
        at = at.model_fields[parent].annotation if parent in getattr(at, "model_fields", {}) else None
    return getattr(at, "model_fields", {})
