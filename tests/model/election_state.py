"""What a state of the model of elections is made of."""

from __future__ import annotations

from typing import Final, NamedTuple

CAMPAIGN, RENEW, RELEASE, FENCE, WRITE = "campaign", "renew", "release", "fence", "write"
OLD: Final = 1  # stands for every revision or sequence that is the last no longer
LAST: Final = 2


class Lease(NamedTuple):
    """The key of the lease; `holder` -1: of nobody yet."""

    revision: int = LAST
    holder: int = -1
    epoch: int = 0
    held: bool = False


class Fence(NamedTuple):
    """The last record of the fence's subject."""

    seq: int = LAST
    holder: int = -1
    epoch: int = 0


class Request(NamedTuple):
    """What was sent and expects `expected`; `answer` 0 while there is none, -1 refused, else what it became.

    `age` is the ticks since it was sent.
    """

    kind: str = ""
    sender: int = -1
    epoch: int = 0
    expected: int = 0
    answer: int = 0
    age: int = 0


NONE: Final = Request()


class Candidate(NamedTuple):
    """What one process knows and waits for."""

    up: bool = True
    leads: bool = False
    epoch: int = 0  # that it leads under, or led under last
    revision: int = 0  # of the key, as it wrote it last
    in_vain: bool = False  # its last renewal was not taken: whose the key is must be read first
    asks: Request = NONE  # of the key
    fence: int = 0  # sequence of the fence that it raised; 0: none
    raising: Request = NONE
    writing: Request = NONE
    surrenders: bool = False
    # Only where time goes:
    connected: bool = True
    broken: bool = False  # its connection was away since its last renewal
    left: int = 0  # ticks of the own lease
    seen: Lease = Lease(0)
    silent: int = 0  # ticks since the key was seen to change
    heard: bool = False
    missed: int = 0


class Spent(NamedTuple):
    """Faults so far."""

    crashes: int = 0
    surrenders: int = 0
    cuts: int = 0
    timeouts: int = 0


class State(NamedTuple):
    """Everything. `late` are requests whose sender waits no longer; `top` is the newest fence that there ever was."""

    lease: Lease = Lease()
    fence: Fence = Fence()
    late: tuple[Request, ...] = ()
    candidates: tuple[Candidate, ...] = ()
    top: int = 0
    spent: Spent = Spent()


class Bounds(NamedTuple):
    """How far is looked. `lease`: ticks, 0 for no clock."""

    processes: int = 3
    epochs: int = 3
    late: int = 1
    crashes: int = 1
    surrenders: int = 1
    timeouts: int = 99
    cuts: int = 0
    refresh: bool = False
    lease: int = 0


FAULTS = frozenset({"dies", "is cut off", "gives up", "waits no longer"})


def mark(value: int, last: int) -> int:
    """A revision as it matters: none, the last one, an old one."""
    return value if value <= 0 else LAST if value == last else OLD


def put(s: State, p: int, c: Candidate) -> State:
    """The state with another candidate in a place."""
    return s._replace(candidates=(*s.candidates[:p], c, *s.candidates[p + 1 :]))


def ticked(s: State, lease: int) -> State:
    """A tick later, of a lease of so many."""
    return s._replace(
        candidates=tuple(
            c._replace(
                left=max(0, c.left - 1),
                silent=min(lease + 1, c.silent + (c.seen.revision != 0 and not c.leads)),
                asks=c.asks._replace(age=min(lease, c.asks.age + 1)) if c.asks.kind else c.asks,
            )
            for c in s.candidates
        )
    )


def believed(s: State) -> str:
    """What is wrong with who believes to lead; empty where nothing is. Without a clock nobody's lease has time left."""
    leaders = [c for c in s.candidates if c.leads]
    if len({c.epoch for c in leaders}) != len(leaders):
        return "two lead under one epoch"
    believe = sorted((c.epoch, c.broken) for c in leaders if c.left)
    if any(not broken for _, broken in believe[:-1]):
        return "two believe that they lead, and the connection of neither was away"
    return ""
