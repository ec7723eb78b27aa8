"""Points that fill a cube evenly: the Sobol sequence, by the direction numbers of Joe and Kuo (2008)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

_BITS: Final = 30


class _Polynomial(NamedTuple):
    """A primitive polynomial (degree, coefficients) and the first direction numbers of a dimension."""

    degree: int
    coefficients: int
    first: tuple[int, ...]


# new-joe-kuo-6.21201, dimensions 2 and up; the first dimension has none.
_TABLE: Final = (
    _Polynomial(1, 0, (1,)),
    _Polynomial(2, 1, (1, 3)),
    _Polynomial(3, 1, (1, 3, 1)),
    _Polynomial(3, 2, (1, 1, 1)),
    _Polynomial(4, 1, (1, 1, 3, 3)),
    _Polynomial(4, 4, (1, 3, 5, 13)),
    _Polynomial(5, 2, (1, 1, 5, 5, 17)),
    _Polynomial(5, 4, (1, 1, 5, 5, 5)),
    _Polynomial(5, 7, (1, 1, 7, 11, 19)),
)
MOST_DIMENSIONS: Final = len(_TABLE) + 1


def _directions(dimension: int) -> list[int]:
    if dimension == 0:
        return [1 << (_BITS - bit - 1) for bit in range(_BITS)]
    degree, coefficients, first = _TABLE[dimension - 1]
    found = [number << (_BITS - bit - 1) for bit, number in enumerate(first)]
    for bit in range(degree, _BITS):
        value = found[bit - degree] ^ (found[bit - degree] >> degree)
        for place in range(1, degree):
            if coefficients >> (degree - 1 - place) & 1:
                value ^= found[bit - place]
        found.append(value)
    return found


def sobol_points(dimensions: int, count: int) -> Iterator[tuple[float, ...]]:
    """The first points of the sequence, each with `dimensions` (at most MOST_DIMENSIONS) numbers in [0, 1)."""
    directions = [_directions(number) for number in range(dimensions)]
    state = [0] * dimensions
    for number in range(count):
        yield tuple(value / (1 << _BITS) for value in state)
        bit = (~number & (number + 1)).bit_length() - 1  # the lowest bit that is 0: the order of Gray's code
        state = [value ^ each[bit] for value, each in zip(state, directions, strict=True)]


__all__ = ["MOST_DIMENSIONS", "sobol_points"]
