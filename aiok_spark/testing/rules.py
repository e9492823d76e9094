"""What a rule is: a named function that looks at one thing that must hold for a stage."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aiok_spark.testing.subject import Subject

Check = Callable[["Subject"], None]


@dataclass(frozen=True)
class Rule:
    """One thing that must hold.

    Attributes
    ----------
    name : str
        What ``skip`` and messages call it.
    says : str
        The rule in words.
    check : callable
        Raises ``Broken`` (or anything else) if it does not hold, ``Inapplicable`` if it says nothing
        about this stage.
    needs : tuple of str
        Rules without which this one cannot be judged; so that one fault is reported once.
    """

    name: str
    says: str
    check: Check
    needs: tuple[str, ...]


RULES: dict[str, Rule] = {}  # in the order in which they are checked


class Broken(Exception):  # noqa: N818, a verdict and not an error of this code
    """A rule does not hold."""

    def __init__(self, found: str, expected: str) -> None:
        super().__init__(f"found {found}, expected {expected}")


class Inapplicable(Exception):  # noqa: N818
    """A rule has nothing to say about this stage; the message says why."""


def rule(*needs: Check) -> Callable[[Check], Check]:
    """Register a function as a rule; ``needs`` are rules that must have passed before."""

    def register(check: Check) -> Check:
        name, says = check.__name__, inspect.getdoc(check) or ""
        RULES[name] = Rule(name, says.splitlines()[0], check, tuple(n.__name__ for n in needs))
        return check

    return register


def expect(holds: bool, found: str, expected: str) -> None:
    """Raise ``Broken`` unless it holds."""
    if not holds:
        raise Broken(found, expected)


def expect_none(faults: list[str], expected: str) -> None:
    """Raise ``Broken`` if there are any faults."""
    expect(not faults, "; ".join(faults), expected)


def applies(holds: bool, otherwise: str) -> None:
    """Raise ``Inapplicable`` unless the rule has something to say; ``otherwise`` is why it has not."""
    if not holds:
        raise Inapplicable(otherwise)
