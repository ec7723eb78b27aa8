"""What is fuzzed: a function of bytes, and which errors are its contract."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from random import Random

from tests.fuzzing.mutation import mutated_bytes

LONGEST_ERROR = 4_000  # characters of an error's text: what is refused is not repeated whole
Mutate = Callable[[bytes, Random], bytes]


class Finding(AssertionError):
    """What an input showed that must not be: an error that is no contract, or a property that does not hold."""


@dataclass(frozen=True)
class Target:
    """One function that takes what others write.

    Attributes:
        name: what it is called on the command line and in the corpus.
        run: takes an input; returns, or raises one of `refusals`, or is a finding.
        refusals: the errors that its callers answer. Their text must be writable and short.
        seeds: inputs to begin with, made by the product's own encoders and simulated venues.
        mutate: how one input becomes another, so that most of them get past the first check.
        reads: what of the product's registries it covers, as `venue:binance` or `operation:get …`.
    """

    name: str
    run: Callable[[bytes], object]
    refusals: tuple[type[BaseException], ...] = ()
    seeds: Callable[[], Sequence[bytes]] = field(default=tuple)
    mutate: Mutate = mutated_bytes
    reads: frozenset[str] = frozenset()

    def try_one(self, data: bytes) -> bool:
        """Whether an input was taken; False: it was refused as the contract says.

        Raises:
            Finding, or whatever else the function raised: not what the contract says.
        """
        try:
            self.run(data)
        except self.refusals as error:
            if isinstance(error, Finding):
                raise
            check_text(error)
            return False
        return True


def check_text(error: BaseException) -> None:
    """Raises Finding: the text of a refusal is empty, endless, or cannot be written anywhere."""
    text = str(error)
    if not text.strip() and error.args:
        raise Finding(f"{type(error).__name__}: expected words, was an error without text") from error
    if len(text) > LONGEST_ERROR:
        raise Finding(f"{type(error).__name__}: expected a short text, was one of {len(text)} characters") from error
    try:
        json.dumps(text, ensure_ascii=False).encode()
    except UnicodeEncodeError as wrong:
        raise Finding(f"{type(error).__name__}: expected a text that UTF-8 has room for, was {text!a}") from wrong


def expect(holds: object, what: str) -> None:
    """Raises Finding: a property does not hold."""
    if not holds:
        raise Finding(what)


def text_of(data: bytes) -> str:
    """Bytes as whoever writes UTF-8 sends them, whatever else is in them."""
    return data.decode("utf-8", "replace")
