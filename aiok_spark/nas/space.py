"""What a search draws from: a set of architectures, each a value for every gene."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, ClassVar

from aiok_spark.core.errors import ParamError
from aiok_spark.training.features import FeatureSpec

Genes = dict[str, Any]  # a value for each gene

AZ_NAS = ("expressivity", "progressivity", "trainability", "flops")  # arXiv:2403.19232, for convolutional networks


@dataclass(frozen=True)
class ArchitectureSpace:
    """Base of spaces; one of your own is a frozen dataclass whose fields JSON can hold.

    It says which values each gene may have (``genes``) and with which arguments they make the network (``arguments``).
    Genes that do not matter for an architecture are to be left out of its arguments: two candidates with the same
    arguments are the same.

    Attributes
    ----------
    name : str
        In messages.
    network : str or class
        ``package.module:Name`` of the network's class, or a class of a notebook, as ``TorchEstimator`` takes it: called
        with ``features`` and ``outputs`` if its constructor has them, and with the arguments.  If it has a method
        ``stages``, that gives the modules between which information and gradients are looked at, from the first to the
        last.
    scores : tuple of str
        What candidates are ranked by unless the user says otherwise.
    rows : int
        Rows that scores look at unless the user says otherwise.

    Examples
    --------
    >>> @dataclass(frozen=True)
    ... class Widths(ArchitectureSpace):
    ...     widths: tuple[int, ...] = (8, 16, 32)
    ...     name = "widths"
    ...     network = "aiok_spark.models.networks.mlp:MLP"
    ...
    ...     def genes(self, features):
    ...         return {"first": self.widths, "second": self.widths}
    ...
    ...     def arguments(self, genes, features):
    ...         return {"hiddenLayers": [genes["first"], genes["second"]], "embeddingDim": 8, "dropout": 0.0}
    """

    name: ClassVar[str]
    network: ClassVar[Any]
    scores: ClassVar[tuple[str, ...]] = AZ_NAS
    rows: ClassVar[int] = 64

    def genes(self, features: FeatureSpec) -> dict[str, Sequence[Any]]:
        """Values that each gene may have, for a network that reads these columns."""
        raise NotImplementedError(f"{type(self).__name__} must name its genes: genes")

    def arguments(self, genes: Genes, features: FeatureSpec) -> dict[str, Any]:
        """Arguments of the network, as JSON has them."""
        raise NotImplementedError(f"{type(self).__name__} must make arguments of genes: arguments")

    def refuse(self, features: FeatureSpec) -> str | None:
        """Why the space cannot serve these columns, as "found ..., expected ...; do this", if it cannot."""
        return None

    # Moves

    def draw(self, features: FeatureSpec, chance: random.Random) -> Genes:
        """Each gene by chance, all values alike."""
        return {name: chance.choice(values) for name, values in self.genes(features).items()}

    def mutate(self, genes: Genes, features: FeatureSpec, chance: random.Random, share: float) -> Genes:
        """Another value for some of the genes, at least one."""
        free = {name: values for name, values in self.genes(features).items() if len(values) > 1}
        if not free:
            return dict(genes)
        surely = chance.choice(sorted(free))
        changed = [name for name in free if name == surely or chance.random() < share]
        return {**genes, **{name: chance.choice([v for v in free[name] if v != genes[name]]) for name in changed}}

    def cross(self, one: Genes, other: Genes, chance: random.Random) -> Genes:
        """Each gene of one of two parents."""
        return {name: chance.choice((value, other[name])) for name, value in one.items()}

    # JSON

    def to_json(self) -> dict[str, Any]:
        """Class and fields."""
        cls = type(self)
        return {"class": f"{cls.__module__}:{cls.__qualname__}", **json.loads(json.dumps(asdict(self)))}

    @classmethod
    def from_fields(cls, fields: Mapping[str, Any]) -> ArchitectureSpace:
        """What ``to_json`` gave, without the class."""
        return cls(**{name: _tuples(value) for name, value in fields.items()})


def _tuples(value: Any) -> Any:
    return tuple(_tuples(v) for v in value) if isinstance(value, list) else value


def key_of(arguments: Mapping[str, Any]) -> str:
    """The same text for the same network."""
    return json.dumps(arguments, sort_keys=True)


def require_values(space: ArchitectureSpace, zero: Sequence[str] = (), **known: Sequence[str]) -> None:
    """Refuse fields without a value, numbers below 1 (below 0 where ``zero`` says so), names that are not known."""
    for name, value in vars(space).items():
        parts = value if isinstance(value, (tuple, list)) else (value,)
        least = 0 if name in zero or any(isinstance(part, float) for part in parts) else 1
        wrong = [part for part in parts if isinstance(part, str) and part not in known.get(name, ())]
        wrong += [part for part in parts if not isinstance(part, str) and not part >= least]
        if wrong or not parts:
            expected = f"some of {list(known[name])}" if name in known else f"numbers of at least {least}"
            found = repr(wrong[0]) if wrong else "none"
            raise ParamError(f"{type(space).__name__}: {name}: found {found}, expected {expected}")
