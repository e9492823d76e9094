"""A candidate of a search, and what was found out about it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from aiok_spark.nas.space import Genes, key_of


@dataclass(frozen=True)
class Candidate:
    """An architecture.

    Attributes
    ----------
    number : int
        From 1, in the order in which they were thought of.
    genes : dict
        A value for each gene of the space.
    arguments : dict
        Of the network; what makes the candidate itself.
    origin : str
        "drawn", or what it was made of.
    state : str
        "scored"; "illegal" beyond a limit; "failed" by an error, or too long, or too large.
    reason : str
        Why it is illegal or failed.
    params, flops : int
        Numbers that train; operations of a row.
    latency : float
        Milliseconds, measured or predicted, if that was asked for.
    scores : dict
        By name, ``params`` and ``flops`` with them; None for what is no finite number.
    seconds : float
        Of the processor, that it took.
    """

    number: int
    genes: Genes
    arguments: Mapping[str, Any]
    origin: str = "drawn"
    state: str = "scored"
    reason: str = ""
    params: int | None = None
    flops: int | None = None
    latency: float | None = None
    scores: Mapping[str, float | None] = field(default_factory=dict)
    seconds: float = 0.0

    @property
    def key(self) -> str:
        """The same for the same network."""
        return key_of(self.arguments)

    @property
    def scored(self) -> bool:
        """Whether it takes part in the ranking."""
        return self.state == "scored"
