"""A recipe: a Python file that says what its rows look like, what it can be told, and its Pipeline."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from pyspark.ml import Pipeline

from aiok_spark.core.errors import ConfError
from aiok_spark.flow.conf import RunConf, read_conf, read_yaml
from aiok_spark.flow.raw import RawRows

_PARTS = ("Conf", "ROWS", "build_pipeline")


@dataclass(frozen=True)
class Recipe:
    """What a recipe's file defines: ``Conf``, ``ROWS`` and ``build_pipeline(conf, work=None)``.

    ``work`` is a directory of the run, for what a second start of it goes on with.
    """

    name: str
    conf: type[RunConf]
    rows: RawRows
    build: Callable[..., Pipeline]

    @classmethod
    def of(cls, module: ModuleType) -> Recipe:
        """The recipe that a module defines; ConfError if it lacks a part."""
        if absent := [name for name in _PARTS if not hasattr(module, name)]:
            raise ConfError(f"{module.__file__}: found no {absent[0]}, expected {_PARTS}; see recipes/dlrm/pipeline.py")
        file = Path(module.__file__ or "recipe")
        return cls(f"{file.parent.name}/{file.name}", module.Conf, module.ROWS, module.build_pipeline)

    @classmethod
    def load(cls, path: Path) -> Recipe:
        """The recipe in a Python file, which is run."""
        spec = importlib.util.spec_from_file_location(f"aiok_recipe_{path.parent.name}_{path.stem}", path)
        if spec is None or spec.loader is None or not path.is_file():
            raise ConfError(f"recipe: found no Python file {path}, expected one; correct the key recipe")
        module = importlib.util.module_from_spec(spec)
        sys.modules[module.__name__] = module
        spec.loader.exec_module(module)
        return cls.of(module)


def configured(path: str, changes: list[str], recipe: Recipe | None = None) -> tuple[Recipe, Any]:
    """The recipe that a YAML file names, or a given one, and its configuration."""
    found = read_yaml(path)
    if recipe is None:
        if not isinstance(found.get("recipe"), str):
            raise ConfError(f"{path}: found no key recipe, expected the recipe's Python file; see conf/dlrm.yaml")
        recipe = Recipe.load((Path(path).parent / found["recipe"]).resolve())
    return recipe, read_conf(recipe.conf, found, path, changes)
