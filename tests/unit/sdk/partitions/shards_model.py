"""The hand-over of one partition as an explicit-state model: every interleaving of a few members with a few faults.

A state says, of each member, how its session is and what it believes of the partition, and what the owner record holds.
`protocol` gives what members do by themselves, `faults` what befalls them while the budget lasts. A member acts on its
view of the record; a write on an old view is refused by compare-and-swap, so an old view can only be renewed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

from marketprism_sdk.partitions import rendezvous

# Sessions. out: none. live. drain: leaves. gone: the process was killed and nobody has noticed. left: it was killed while
# it left, and nobody has noticed. dead: declared dead by a peer, which the process itself has not noticed.
OUT, LIVE, DRAIN, GONE, LEFT, DEAD = "out", "live", "drain", "gone", "left", "dead"
# What a member does with the partition. asked: its claim is written, the answer on its way. idle: nobody works on it.
ASKED, TAKING, WORKING, IDLE = "asked", "taking", "working", "idle"


class Own(NamedTuple):
    """A member's hold on the partition."""

    phase: str
    epoch: int


class Record(NamedTuple):
    """The owner record."""

    holder: str | None
    held: bool
    epoch: int


class State(NamedTuple):
    """All members in the order of `Model.members`, and the record."""

    session: tuple[str, ...]
    own: tuple[Own | None, ...]
    fresh: tuple[bool, ...]  # whether the view of the record is that of now
    record: Record
    budget: tuple[tuple[str, int], ...]


Steps = Iterator[tuple[str, State]]


class Model:
    """`rules` may be taken away one by one, to see that the model notices."""

    RULES = frozenset({"release what is not owned", "let go of what is not held", "end what is idle"})

    def __init__(self, members: str, budget: dict[str, int], rules: frozenset[str] = RULES, partition: int = 0) -> None:
        self.members = tuple(members)
        self.first = State(
            (LIVE, *(OUT for _ in members[1:])),
            tuple(None for _ in members),
            tuple(False for _ in members),
            Record(None, False, 0),
            tuple(sorted(budget.items())),
        )
        self._rules = rules
        self._partition = partition

    def winner(self, state: State, seen_by: int) -> str | None:
        """To whom the partition belongs, as a member sees it: one that was declared dead does not know."""
        live = {m for m, s in zip(self.members, state.session, strict=True) if s in (LIVE, GONE)}
        if state.session[seen_by] == DEAD:
            live.add(self.members[seen_by])
        return rendezvous(self._partition, live)

    def protocol(self, state: State) -> Steps:
        """What happens by itself."""
        for i, name in enumerate(self.members):
            session, own, record = state.session[i], state.own[i], state.record
            if session in (GONE, LEFT) and LIVE in state.session:
                yield f"{name} is found dead", _but(state, i, session=OUT)
            if session in (OUT, GONE, LEFT):
                continue
            if own is not None and own.phase == ASKED:
                yield f"{name} owns", _but(state, i, own=Own(TAKING, own.epoch), fresh=True)
                continue
            if own is not None and own.phase == TAKING:
                yield f"{name} works", _but(state, i, own=Own(WORKING, own.epoch))
                continue
            if session == DEAD:
                yield (
                    f"{name} lets go of everything and joins again",
                    _but(state, i, session=LIVE, own=None, fresh=False),
                )
            if not state.fresh[i]:
                yield f"{name} looks", _but(state, i, fresh=True)
            mine = session != DRAIN and self.winner(state, i) == name
            if own is not None:
                yield from self._ends(state, i, own, mine)
                continue
            named = record.held and record.holder == name
            if session == DRAIN and not (named and state.fresh[i]):
                yield f"{name} ends its session", _but(state, i, session=OUT)
            if not state.fresh[i]:
                continue
            if named and "release what is not owned" in self._rules:
                yield f"{name} releases", _written(state, i, Record(name, False, record.epoch))
            if mine and (not record.held or named or self._gone(state, record.holder)):
                epoch = record.epoch + 1
                claimed = _written(state, i, Record(name, True, epoch))
                yield f"{name} claims", _but(claimed, i, own=Own(ASKED, epoch))

    def _ends(self, state: State, i: int, own: Own, mine: bool) -> Steps:
        name, record = self.members[i], state.record
        if not mine:
            ended = _but(state, i, own=None)
            if "release what is not owned" not in self._rules and record == Record(name, True, own.epoch):
                ended = _written(ended, i, Record(name, False, own.epoch))  # at once, or never
            yield f"{name} lets go", ended
        if "let go of what is not held" in self._rules and state.fresh[i] and record != Record(name, True, own.epoch):
            yield f"{name} lets go of what is not held", _but(state, i, own=None)
        if "end what is idle" in self._rules and own.phase == IDLE:
            yield f"{name} lets go of what is idle", _but(state, i, own=None)

    def _gone(self, state: State, holder: str | None) -> bool:
        return holder is None or state.session[self.members.index(holder)] in (OUT, DEAD)

    def faults(self, state: State) -> Steps:
        """What befalls the members, as long as the budget lasts."""
        if state.record.holder is not None:
            # A value that is no record counts as free; its epoch is not lost, because the checkpoint has it.
            spoilt = _written(state, -1, Record(None, False, state.record.epoch))
            yield from _paid(state, "record", "the record is spoilt", spoilt)
        for i, name in enumerate(self.members):
            session, own = state.session[i], state.own[i]
            running = session in (LIVE, DRAIN, DEAD)
            others = any(s in (LIVE, DRAIN, DEAD) for j, s in enumerate(state.session) if j != i)
            if session in (OUT, GONE, LEFT):
                # A name that comes back finds what the one before left in the record.
                yield from _paid(state, "join", f"{name} joins", _but(state, i, session=LIVE, own=None, fresh=False))
            if session == LIVE and (own is None or own.phase != ASKED):
                yield from _paid(state, "leave", f"{name} leaves", _but(state, i, session=DRAIN))
            if session in (LIVE, DRAIN) and others:
                yield from _paid(state, "dead", f"{name} is declared dead", _but(state, i, session=DEAD))
            if running:
                after = {LIVE: GONE, DRAIN: LEFT, DEAD: OUT}[session]
                yield from _paid(state, "kill", f"{name} is killed", _but(state, i, session=after, own=None))
            if own is None or not running:
                continue
            if own.phase == ASKED:
                lost = _but(state, i, own=None, fresh=False)
                yield from _paid(state, "answer", f"{name} does not hear that it owns", lost)
            elif own.phase == TAKING:
                yield from _paid(state, "take-over", f"{name} cannot take over", _but(state, i, own=None))
            elif own.phase == WORKING:
                yield from _paid(state, "idle", f"{name} stops working", _but(state, i, own=Own(IDLE, own.epoch)))
                yield from _paid(state, "refused", f"{name} is refused", _but(state, i, own=None))

    def good(self, state: State) -> bool:
        """Whether the partition is worked on by exactly one member, as the record says."""
        if LIVE not in state.session:
            return not any(state.own)  # nobody is left to work
        at = state.session.index(LIVE)
        name = self.winner(state, at)
        at = self.members.index(str(name))
        own = Own(WORKING, state.record.epoch)
        wanted = tuple(own if i == at else None for i in range(len(self.members)))
        return state.own == wanted and state.record[:2] == (name, True)


def two_owners_of_an_epoch(state: State) -> bool:
    """What must never be."""
    epochs = [own.epoch for own in state.own if own is not None]
    return len(epochs) != len(set(epochs))


def _but(state: State, i: int, **changes: object) -> State:
    """The state with other values of one member."""
    parts = {
        name: tuple(value if j == i else old for j, old in enumerate(getattr(state, name)))
        for name, value in changes.items()
    }
    return state._replace(**parts)  # type: ignore[arg-type]


def _written(state: State, i: int, record: Record) -> State:
    """A new record makes every other view an old one."""
    return state._replace(record=record, fresh=tuple(j == i for j in range(len(state.fresh))))


def _paid(state: State, fault: str, what: str, after: State) -> Steps:
    budget = dict(state.budget)
    if budget.get(fault, 0):
        budget[fault] -= 1
        yield what, after._replace(budget=tuple(sorted(budget.items())))


def explore(model: Model, wrong: Callable[[State, list[State]], str]) -> tuple[int, str]:
    """Every state that can be reached, breadth first: how many there are, and how the first wrong one comes about.

    `wrong` gets a state and what can follow by itself, and says what is wrong with it.
    """
    came: dict[State, tuple[State | None, str]] = {model.first: (None, "start")}
    queue = [model.first]
    for state in queue:
        own = list(model.protocol(state))
        if text := wrong(state, [after for _, after in own]):
            path, at = [], state
            while at is not None:
                at, what = came[at]  # type: ignore[assignment]
                path.append(what)
            return len(queue), f"{text}: {' -> '.join(reversed(path))}"
        for what, after in (*own, *model.faults(state)):
            if after not in came:
                came[after] = (state, what)
                queue.append(after)
    return len(queue), ""
