"""Making many objects at once."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache
from typing import TypeVar

T = TypeVar("T")
Columns = Mapping[str, Sequence[object]]


def alike(first: T, columns: Columns, shared: Mapping[str, object] | None = None) -> list[T]:
    """Objects like the first, each with its own values of the attributes that are columns, of which one gives the
    first; `shared` are values of others that all of them have.

    What its constructor has made of the other attributes they have as well, so that none of it is done again: of a tick
    with its forty attributes, of which a dozen differ, that is most of the work.
    """
    with garbage_waits():
        return _maker(tuple(columns))(type(first), vars(first) | dict(shared or {}), tuple(columns.values()))


@lru_cache(maxsize=64)
def _maker(names: tuple[str, ...]) -> Callable[[type[T], dict[str, object], Sequence[Sequence[object]]], list[T]]:
    """A loop over columns of these names. It is written out, as `namedtuple` does it: a dictionary that is spelled as
    one costs half of one that is copied and updated."""
    if not all(name.isidentifier() for name in names):
        raise ValueError(f"columns: expected names of attributes, was {names}")
    values = [f"v{n}" for n in range(len(names))]
    own = ", ".join(f"{name!r}: {value}" for name, value in zip(names, values, strict=True))
    text = (
        "def made(kind, shared, columns):\n"
        "    new, found = kind.__new__, []\n"
        "    add = found.append\n"
        f"    for ({', '.join(values)},) in zip(*columns, strict=True):\n"
        "        each = new(kind)\n"
        f"        each.__dict__ = {{**shared, {own}}}\n"
        "        add(each)\n"
        "    return found\n"
    )
    space: dict[str, Callable[[type[T], dict[str, object], Sequence[Sequence[object]]], list[T]]] = {}
    exec(text, {}, space)  # noqa: S102 (the text is ours, the names are those of VeighNa's attributes)  # nosec B102
    return space["made"]


@contextmanager
def garbage_waits() -> Iterator[None]:
    """Without the collector of garbage, which looks through all objects again and again while many are made: of a
    hundred thousand ticks that is most of the time.

    What was made counts as old at once. The collector would go through all of it as soon as it is there again, and
    find that nothing of it is garbage.
    """
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collects:
            if not gc.get_freeze_count():  # whoever froze objects wants them to stay so
                gc.freeze()
                gc.unfreeze()
            gc.enable()
