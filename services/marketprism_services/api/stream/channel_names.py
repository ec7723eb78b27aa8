"""Names of channels: subjects of the public kinds, `*` for a token and `>` for the rest allowed.

`market.raw` and `market.packed` are internal and no channels. The second token is a kind's word or a venue; `*` there
is any venue, since `market.*.*.trade` would otherwise be `market.bar.*.trade` too. Beside them there are the channels
of `system_channels.py`, by their whole names.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from marketprism_application.contracts.kinds import BOOK_TOP, KINDS, MARK_PRICE, QUALITY, TICK, TICKER, DataKind
from marketprism_application.contracts.subjects import unescape
from marketprism_services.api.stream.system_channels import PREFIX, SYSTEM, SYSTEM_CHANNELS

STATES = frozenset({TICK, TICKER, BOOK_TOP, QUALITY, MARK_PRICE})  # of these the newest is what counts
_TOKEN = re.compile(r"[A-Za-z0-9_=-]{1,128}")
_MOST_TOKENS = 8
_MOST_CHARACTERS = 256
_INTERNAL = ("raw", "packed")


class ChannelError(ValueError):
    """Text that is no channel."""


Tokens = tuple[str, ...]


def _template(kind: DataKind) -> Tokens:
    return tuple("*" if token.startswith("{") else token for token in kind.subject.split("."))


_TEMPLATES: tuple[tuple[DataKind, Tokens, Sequence[str]], ...] = tuple(
    (kind, _template(kind), kind.subject.split(".")) for kind in KINDS.values()
)
_WORDS = frozenset(template[1] for _, template, _ in _TEMPLATES if template[1] != "*")


@dataclass(frozen=True, slots=True)
class ChannelName:
    """A channel: its subject or pattern, the stream that holds it, and the kinds that it can be of.

    `venue` and `symbol` are those that it names, None where it names none.
    """

    text: str
    tokens: Tokens
    stream: str
    kinds: tuple[DataKind, ...]
    is_exact: bool
    venue: str | None
    symbol: str | None

    @property
    def is_system(self) -> bool:
        """Whether it is about the system, and in no stream."""
        return self.stream == SYSTEM

    @property
    def is_state(self) -> bool:
        """Whether all that it can bring are states, of which the newest counts."""
        if self.is_system:
            return bool(SYSTEM_CHANNELS[self.text].part)
        return all(kind in STATES for kind in self.kinds)


@dataclass(frozen=True, slots=True)
class SubjectFacts:
    """What a subject says of its messages."""

    tokens: Tokens
    kind: str


def parse_channel(text: str) -> ChannelName:
    """The channel of a name.

    Raises:
        ChannelError: it is none.
    """
    tokens = tuple(text.split(".")) if len(text) <= _MOST_CHARACTERS else ()
    if text.startswith(PREFIX):
        if text not in SYSTEM_CHANNELS:
            raise ChannelError(f"ch: expected one of {', '.join(SYSTEM_CHANNELS)}, was {text[:80]!r}")
        return ChannelName(text, tokens, SYSTEM, (), is_exact=True, venue=None, symbol=None)
    if not 3 <= len(tokens) <= _MOST_TOKENS or tokens[0] != "market":
        raise ChannelError(f"ch: expected a subject like market.tick.rb2605, was {text[:80]!r}")
    for place, token in enumerate(tokens):
        last = place == len(tokens) - 1
        if not (token == "*" or (token == ">" and last) or _TOKEN.fullmatch(token)):  # noqa: S105 (a token of a subject)
            raise ChannelError(f"ch: expected tokens of letters, digits, - _ and =XX, * or a last >, was {text[:80]!r}")
    if tokens[1] in (*_INTERNAL, ">"):
        raise ChannelError(f"ch: expected a kind or a venue behind market, was {text[:80]!r}")
    rows = [row for row in _TEMPLATES if _is_of(tokens, row[1])]
    if not rows:
        known = ", ".join(sorted({row[2][1] if row[1][1] != "*" else ".".join(row[2][3:]) for row in _TEMPLATES}))
        raise ChannelError(f"ch: expected a subject of one of {known}, was {text[:80]!r}")
    named = rows[0][2] if len(rows) == 1 or all(row[2][:3] == rows[0][2][:3] for row in rows) else ()
    return ChannelName(
        text,
        tokens,
        rows[0][0].stream,
        tuple(row[0] for row in rows),
        not {"*", ">"} & set(tokens),
        _named(tokens, named, "{venue}"),
        _named(tokens, named, "{symbol}"),
    )


def _is_of(tokens: Tokens, template: Tokens) -> bool:
    """Whether a pattern can match subjects of a template."""
    if template[1] != "*" and tokens[1] != template[1]:
        return False
    return not (template[1] == "*" and tokens[1] in _WORDS) and overlap(tokens, template)


def _named(tokens: Tokens, template: Sequence[str], field: str) -> str | None:
    """The value of a field that a pattern names."""
    place = template.index(field) if field in template else len(tokens)
    if place >= len(tokens) or tokens[place] in ("*", ">"):
        return None
    try:
        return unescape(tokens[place])
    except ValueError as error:
        raise ChannelError(f"ch: {error}") from error


def overlap(first: Tokens, second: Tokens) -> bool:
    """Whether some subject matches both patterns."""
    for mine, theirs in zip(first, second, strict=False):
        if ">" in (mine, theirs):
            return True
        if mine != theirs and mine != "*" and theirs != "*":  # noqa: PLR1714 (of two, not one of both)
            return False
    return len(first) == len(second)


def covers(wide: Tokens, narrow: Tokens) -> bool:
    """Whether every subject that matches `narrow` (a pattern or a subject) matches `wide`."""
    for place, token in enumerate(wide):
        if token == ">":  # noqa: S105 (a token of a subject)
            return len(narrow) > place
        if place >= len(narrow) or narrow[place] == ">" or (token != narrow[place] and token != "*"):  # noqa: S105
            return False
    return len(wide) == len(narrow)


@lru_cache(maxsize=65_536)
def facts_of(subject: str) -> SubjectFacts:
    """The tokens of a subject, and its kind's name; `""` of a subject that is of none."""
    tokens = tuple(subject.split("."))
    kind = next((kind.name for kind, template, _ in _TEMPLATES if len(tokens) > 1 and _is_of(tokens, template)), "")
    return SubjectFacts(tokens, kind)


def filters_of(wanted: Sequence[Tokens], stream: str, most: int) -> list[str]:
    """Subjects that a consumer of a stream has to be made for: no two overlap, which the server would refuse.

    More than `most` of them, or some that overlap without one covering the other, become the patterns of their kinds.
    """
    fewest = _without_covered(wanted)
    if len(fewest) > most or _any_overlap(fewest):
        kinds = {template for kind, template, _ in _TEMPLATES if kind.stream == stream}
        fewest = _without_covered([template for template in kinds if any(overlap(template, each) for each in wanted)])
        if _any_overlap(fewest) or not all(any(covers(each, one) for each in fewest) for one in wanted):
            fewest = [("market", ">")]
    return sorted(".".join(each) for each in fewest)


def _without_covered(patterns: Sequence[Tokens]) -> list[Tokens]:
    wild = [each for each in set(patterns) if "*" in each or each[-1] == ">"]
    exact = [each for each in set(patterns) if not ("*" in each or each[-1] == ">")]
    widest = [each for each in wild if not any(each != other and covers(other, each) for other in wild)]
    return widest + [each for each in exact if not any(covers(other, each) for other in widest)]


def _any_overlap(patterns: Sequence[Tokens]) -> bool:
    wild = [each for each in patterns if "*" in each or each[-1] == ">"]
    return any(overlap(each, other) for each in wild for other in patterns if other is not each)
