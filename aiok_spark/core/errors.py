"""Errors, each also the builtin that a caller would expect.

A message is one line: ``Stage(uid): parameter ... found ... expected ...; what to do``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from difflib import get_close_matches


class AiokError(Exception):
    """Base of all errors that this package raises on purpose."""


class ParamError(AiokError, ValueError):
    """A parameter's value is missing, of the wrong type or out of range."""


class ParamTypeError(ParamError, TypeError):
    """A parameter's value has the wrong type."""


class ColumnError(AiokError, ValueError):
    """A column is missing, there twice, or named by two outputs."""


class ColumnTypeError(AiokError, TypeError):
    """A column has a type that the stage cannot use."""


class ConfError(AiokError, ValueError):
    """A configuration file has an unknown key or a value that cannot be used."""


class DataError(AiokError, ValueError):
    """The rows cannot be used as they are."""


class TrainingError(AiokError, RuntimeError):
    """A training ended before it was done."""


class ClusterError(AiokError, RuntimeError):
    """The cluster cannot do what is asked as it is set up."""


class ServiceError(AiokError, ConnectionError):
    """A service elsewhere does not answer, or refuses."""


class PersistenceError(AiokError, OSError):
    """A saved stage is missing, incomplete, damaged or of a newer format."""


class NothingSavedError(PersistenceError, FileNotFoundError):
    """There is nothing at the path."""


class PathExistsError(PersistenceError, FileExistsError):
    """There is something at the path already and overwrite was not asked for."""


class UnsafeClassError(AiokError, ImportError):
    """A saved directory names a class that is not on the allow-list."""


class NotLocalError(AiokError, TypeError):
    """A stage needs Spark and cannot run in a LocalPipeline."""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """'; did you mean ...?' for a near match, else what there is."""
    known = list(known)
    near = [other for other in known if other.lower() == name.lower()] or get_close_matches(name, known, n=1)
    return f"did you mean '{near[0]}'?" if near else f"there are {known}"


def first_line(error: BaseException) -> str:
    """What an error says first, or its type if it says nothing; at most 300 characters."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:300]


def cause(error: BaseException) -> str:
    """An error in one line of at most 500 characters: its type, what it says first, and the JVM's last cause.

    Of one in a Python worker, whose traceback Spark tells as text, that error alone.
    """
    _, _, worker = str(error).partition("Traceback (most recent call last):")
    if raised := re.findall(r"^[A-Za-z_][\w.]*: .*", worker, re.MULTILINE):
        return str(raised[-1])[:500]
    below = re.findall(r"^(?:: |(?=Caused by: ))(.*)", str(error), re.MULTILINE)
    return f"{type(error).__name__}: {' '.join([first_line(error), *below[-1:]])}"[:500]


@contextmanager
def needs_extra(extra: str, label: str) -> Iterator[None]:
    """Have imports within say which extra brings what is absent; ``label`` is who needs it."""
    try:
        yield
    except ModuleNotFoundError as e:
        raise ImportError(
            f"{label}: found no module '{e.name}', expected the extra {extra}; pip install 'aiok-spark[{extra}]'"
        ) from e
