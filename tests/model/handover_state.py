"""What a state of the model of shards is made of."""

from __future__ import annotations

from typing import Final, NamedTuple, TypeVar

T = TypeVar("T")
DEAD, LIVE, DRAIN = 0, 1, 2  # of a session; no session is as good as a dead one
OLD: Final = 1
LAST: Final = 2
CLAIM, RELEASE, FENCE, COMMIT = "claim", "release", "fence", "commit"


class Owner(NamedTuple):
    """An owner record."""

    revision: int = LAST
    holder: int = -1
    epoch: int = 0
    held: bool = False


class Checkpoint(NamedTuple):
    """The last checkpoint of a partition: inputs up to `done` are done."""

    seq: int = LAST
    holder: int = -1
    epoch: int = 0
    done: int = 0


class Entry(NamedTuple):
    """The checkpoint of one partition in a batch, with the outputs of the inputs behind `old` up to `new`."""

    partition: int
    epoch: int
    expected: int
    old: int
    new: int


class Request(NamedTuple):
    """To the records (`claim`, `release`) or to the stream; it is taken where all that it expects is so."""

    kind: str = ""
    sender: int = -1
    entries: tuple[Entry, ...] = ()


NONE: Final = Request()


class Part(NamedTuple):
    """A partition as its member has it: `epoch` 0 is not owned, `seq` 0 is not worked on yet."""

    epoch: int = 0
    seq: int = 0  # of its checkpoint
    done: int = 0


NOTHING: Final = Part()


class Member(NamedTuple):
    """What one process knows and waits for. `session`: 0 to be begun, 1 live, 2 leaving, 3 known to be dead."""

    up: bool = True
    session: int = 0
    sees: tuple[int, ...] = ()
    parts: tuple[Part, ...] = ()
    asks: Request = NONE
    puts: Request = NONE


class Spent(NamedTuple):
    """Faults so far."""

    crashes: int = 0
    deaths: int = 0
    leaves: int = 0
    timeouts: int = 0


class State(NamedTuple):
    """Everything. `outputs`: how many inputs of a partition are in the outputs, each once and in order."""

    sessions: tuple[int, ...]
    owners: tuple[Owner, ...]
    checkpoints: tuple[Checkpoint, ...]
    outputs: tuple[int, ...]
    members: tuple[Member, ...]
    late: tuple[Request, ...] = ()
    spent: Spent = Spent()


class Bounds(NamedTuple):
    """How far is looked. `deaths`: of members that live; `timeouts`: 99 for any number."""

    members: int = 3
    partitions: int = 1
    inputs: int = 2
    epochs: int = 4
    late: int = 1
    crashes: int = 1
    deaths: int = 1
    leaves: int = 1
    timeouts: int = 99


ANY = 99
FAULTS = frozenset({"dies", "declares the living dead", "leaves", "waits no longer"}) | {
    "asks for what a member holds that it does not know"
}


def mark(value: int, last: int) -> int:
    """A revision as it matters: none, the last one, an old one."""
    return 0 if value == 0 else LAST if value == last else OLD


def at(values: tuple[T, ...], place: int, value: T) -> tuple[T, ...]:
    """The values with another one in a place."""
    return (*values[:place], value, *values[place + 1 :])


def put(s: State, m: int, c: Member) -> State:
    """The state with another member in a place."""
    return s._replace(members=at(s.members, m, c))
