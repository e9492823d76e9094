"""Pickles as plain data: nothing is imported or called, a class is a name and an object what it was made of."""

from __future__ import annotations

import pickletools
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

_MARK = object()


class Name(NamedTuple):
    """A class or function, by its module and name."""

    module: str
    name: str

    def __str__(self) -> str:
        """As in an import."""
        return f"{self.module}.{self.name}"


@dataclass
class Made:
    """An object: what would be called to make it, with what, and what would be put into it."""

    name: Name
    args: tuple[Any, ...]
    state: Any = None
    items: list[tuple[Any, Any]] = field(default_factory=list)


def loads(data: bytes) -> Any:
    """Read a pickle of any protocol.

    Returns
    -------
    object
        Of ``None``, bools, numbers, strings, tuples, lists, dicts, ``Name`` and ``Made``.

    Raises
    ------
    ValueError
        If it is none, or has operations that plain objects do not need.
    """
    machine = _Machine()
    try:
        for opcode, argument, _ in pickletools.genops(data):
            machine.step(opcode.name, argument)
    except (IndexError, KeyError, AttributeError, TypeError) as e:
        raise ValueError(f"a damaged pickle ({e!r})") from e
    if len(machine.stack) != 1:
        raise ValueError(f"a pickle of {len(machine.stack)} objects")
    return machine.stack[0]


class _Machine:
    """A stack and a memory, as pickle's own."""

    def __init__(self) -> None:
        self.stack: list[Any] = []
        self.memory: dict[int, Any] = {}

    def step(self, name: str, argument: Any) -> None:
        if name in _CONSTANTS:
            self.stack.append(_CONSTANTS[name])
        elif name in _VALUES:
            self.stack.append(argument)
        elif name in _NEW:
            self.stack.append(_NEW[name]())
        elif name == "MARK":
            self.stack.append(_MARK)
        elif name in ("PUT", "BINPUT", "LONG_BINPUT"):
            self.memory[argument] = self.stack[-1]
        elif name == "MEMOIZE":
            self.memory[len(self.memory)] = self.stack[-1]
        elif name in ("GET", "BINGET", "LONG_BINGET"):
            self.stack.append(self.memory[argument])
        elif name not in ("PROTO", "FRAME", "STOP"):
            method = getattr(self, f"_{name.lower()}", None)
            if method is None:
                raise ValueError(f"the operation {name} in a pickle")
            method(argument)

    def _pop(self) -> Any:
        value = self.stack.pop()
        if value is _MARK:
            raise IndexError("mark")
        return value

    def _marked(self) -> list[Any]:
        at = len(self.stack) - 1 - self.stack[::-1].index(_MARK) if _MARK in self.stack else None
        if at is None:
            raise IndexError("no mark")
        values = self.stack[at + 1 :]
        del self.stack[at:]
        return values

    def _tuple(self, _: Any) -> None:
        self.stack.append(tuple(self._marked()))

    def _tuple1(self, _: Any) -> None:
        self.stack.append((self._pop(),))

    def _tuple2(self, _: Any) -> None:
        last = self._pop()
        self.stack.append((self._pop(), last))

    def _tuple3(self, _: Any) -> None:
        last, middle = self._pop(), self._pop()
        self.stack.append((self._pop(), middle, last))

    def _list(self, _: Any) -> None:
        self.stack.append(self._marked())

    def _append(self, _: Any) -> None:
        value = self._pop()
        self.stack[-1].append(value)

    def _appends(self, _: Any) -> None:
        values = self._marked()
        self.stack[-1].extend(values)

    def _dict(self, _: Any) -> None:
        values = self._marked()
        self.stack.append(dict(zip(values[::2], values[1::2], strict=True)))

    def _setitem(self, _: Any) -> None:
        value, key = self._pop(), self._pop()
        self._put([(key, value)])

    def _setitems(self, _: Any) -> None:
        values = self._marked()
        self._put(list(zip(values[::2], values[1::2], strict=True)))

    def _put(self, pairs: list[tuple[Any, Any]]) -> None:
        holder = self.stack[-1]
        if isinstance(holder, Made):
            holder.items.extend(pairs)
        else:
            holder.update(pairs)

    def _global(self, argument: str) -> None:
        module, _, name = argument.partition(" ")
        self.stack.append(Name(module, name))

    def _stack_global(self, _: Any) -> None:
        name = self._pop()
        self.stack.append(Name(str(self._pop()), str(name)))

    def _reduce(self, _: Any) -> None:
        args, called = self._pop(), self._pop()
        if called in (Name("copy_reg", "_reconstructor"), Name("copyreg", "_reconstructor")):  # protocols 0 and 1
            called, _, value = args  # a class, its builtin base, and the base's value
            args = value if isinstance(value, tuple) else ()
        self.stack.append(_made(called, args))

    _newobj = _reduce

    def _build(self, _: Any) -> None:
        state = self._pop()
        self.stack[-1].state = state


def _made(called: Any, args: Any) -> Made:
    if not isinstance(called, Name) or not isinstance(args, tuple):
        raise ValueError(f"a call of {called!r} in a pickle")
    return Made(called, args)


_CONSTANTS: dict[str, Any] = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
_NEW: dict[str, Callable[[], Any]] = {"EMPTY_TUPLE": tuple, "EMPTY_LIST": list, "EMPTY_DICT": dict}
_VALUES = {
    *("INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT"),
    *("UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8", "STRING", "BINSTRING", "SHORT_BINSTRING"),
}


def dumps(value: Any) -> bytes:
    """Write a pickle (protocol 2) of what ``loads`` gives, so that its reader makes the objects.

    Raises
    ------
    TypeError
        If there is anything else in it.
    """
    return b"\x80\x02" + _written(value) + b"."


def _written(value: Any) -> bytes:
    write = _WRITERS.get(type(value))
    if write is None:
        raise TypeError(f"plain_pickle: found {type(value).__name__}, expected one of {[k.__name__ for k in _WRITERS]}")
    return write(value)


def _int(value: int) -> bytes:
    data = value.to_bytes(value.bit_length() // 8 + 1, "little", signed=True)
    return b"\x8a" + bytes([len(data)]) + data


def _str(value: str) -> bytes:
    data = value.encode()
    return b"X" + len(data).to_bytes(4, "little") + data


def _object(value: Made) -> bytes:
    made = _written(value.name) + _written(value.args) + b"\x81" + _pairs(value.items)
    return made if value.state is None else made + _written(value.state) + b"b"


def _pairs(pairs: list[tuple[Any, Any]]) -> bytes:
    return b"(" + b"".join(_written(key) + _written(value) for key, value in pairs) + b"u" if pairs else b""


_WRITERS: dict[type, Callable[[Any], bytes]] = {
    type(None): lambda _: b"N",
    bool: lambda value: b"\x88" if value else b"\x89",
    int: _int,
    str: _str,
    Name: lambda name: f"c{name.module}\n{name.name}\n".encode(),
    tuple: lambda values: b"(" + b"".join(map(_written, values)) + b"t",
    dict: lambda pairs: b"}" + _pairs(list(pairs.items())),
    Made: _object,
}
