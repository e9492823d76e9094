"""Stages whose Params hold the user's own classes and functions, by name or live from a notebook."""

from __future__ import annotations

from typing import Any, ClassVar

from aiok_spark.core import allow
from aiok_spark.core.errors import ParamError, PersistenceError
from aiok_spark.core.persistence import StageWriter
from aiok_spark.core.stage import Stage
from aiok_spark.training.estimator import NetworkModel
from aiok_spark.training.references import is_live, reference

_LOSSES = "torch.nn.modules.loss:"  # which do nothing but add up


class HasCode(Stage):
    """Mixin of estimator and model: what is saved can be imported, and what is loaded may be."""

    _code_params: ClassVar[tuple[str, ...]] = ()  # that of the network first

    def _code(self) -> list[tuple[str, Any]]:
        """Classes and functions, each with the name of its Param."""
        found = []
        for name in self._code_params:
            value = self.getOrDefault(name) if self.isDefined(name) else None
            found += [(name, code) for code in (value if isinstance(value, list) else [value]) if code is not None]
        return found

    def _before_save(self) -> None:
        for name, code in self._code():
            if not isinstance(code, str):
                raise PersistenceError(_only_here(self._label, name, code))

    def _after_load(self, path: str) -> None:
        for name in self._code_to_run():
            if ":" in name and not is_live(name) and not name.startswith(_LOSSES):
                allow.check(name.replace(":", "."), path)

    def _code_to_run(self) -> list[str]:
        """Names, in what was loaded, of code that the stage will import."""
        return [name for _, name in self._code()]


class CodeModel(HasCode, NetworkModel):
    """Base of their models, which run the code of the network alone."""

    def _code_to_run(self) -> list[str]:
        return [name for param, name in self._code() if param == self._code_params[0]]

    def write(self) -> StageWriter:
        """Writer of the model; code that nobody else can import is left out, and its network saved as ONNX."""
        live = {name: code for name, code in self._code() if not isinstance(code, str)}
        if not live:
            return super().write()
        network = self._code_params[0]
        try:
            made = self._served("onnxruntime" if network in live else "torch").copy()
        except (ImportError, ParamError) as e:
            reason = str(e).removeprefix(f"{self._label}: ")
            raise PersistenceError(f"{_only_here(self._label, network, live[network])}; {reason}") from e
        names: dict[str, Any] = {}
        for name in live:
            value = self.getOrDefault(name)
            names[name] = [reference(v)[0] for v in value] if isinstance(value, list) else reference(value)[0]
        return StageWriter(made.setParams(**names))


def _only_here(label: str, name: str, code: Any) -> str:
    return (
        f"{label}: {name}: found {code!r}, code of this session alone, expected code that others can import; "
        "move it into a module"
    )
