"""Whether what happened is something that the model does: each record a step of it, with steps between that nobody saw.

Every life of a process is a process of its own here, and one that ended takes no more steps. Only who did what a record
tells has to have taken steps before it: what others do unseen, they may as well do later, when a record needs it. Except
that a member's view of the sessions may be of any time: before a session changes, each may have seen it or not.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from typing import Generic, NamedTuple, Protocol, TypeVar

from marketprism_sdk.partitions import weight
from tests.model import election_state as election
from tests.model import handover_state as handover
from tests.model.election import Election
from tests.model.engine import Action
from tests.model.handover import Handover
from tests.model.records import Record

S = TypeVar("S", bound=Hashable)
_MANY = 10**9
_LATE = 1  # requests on their way that nobody waits for, at most; tried first with none
_STATES = 400_000  # that are tried before nothing is said
_SESSIONS = {"live": handover.LIVE, "drain": handover.DRAIN, "dead": handover.DEAD}


class Undecided(Exception):
    """Too many ways were tried."""


class Event(NamedTuple):
    """What was seen, in the model's words, and who may have done it."""

    seen: tuple[object, ...]
    who: tuple[int, ...]


class Follows(Protocol[S]):
    """A model, as far as a trace needs it."""

    def first(self) -> S: ...
    def own_steps(self, state: S, who: int) -> Iterator[tuple[Action, S]]: ...
    def late_steps(self, state: S) -> Iterator[tuple[Action, S]]: ...
    def settled(self, state: S) -> S: ...
    def helps(self, action: Action, old: S, new: S, who: int, wanted: tuple[object, ...]) -> bool: ...


@dataclass
class Verdict:
    """`explained` of `of` records are steps of the model; `states` were tried. `text` is what could not be explained."""

    explained: int
    of: int
    states: int
    text: str = ""

    def __bool__(self) -> bool:
        return self.explained == self.of

    def __str__(self) -> str:
        return f"{self.explained} of {self.of} records explained, {self.states} states tried{self.text and ': '}{self.text}"


class _Search(Generic[S]):
    """Depth first, the shortest explanation of each record first; what was tried is not tried again."""

    def __init__(self, model: Follows[S], events: Sequence[Event]) -> None:
        self._model, self._events = model, events
        self._tried: set[tuple[int, S]] = set()
        self._looked = 0
        self.furthest = 0

    def run(self) -> bool:
        """Whether every event is explained.

        Raises:
            Undecided: not known.
        """
        stack = [self._explanations(0, self._model.settled(self._model.first()))]
        if not self._events:
            return True
        while stack:
            state = next(stack[-1], None)
            if state is None:
                stack.pop()
                continue
            number = len(stack)
            self.furthest = max(self.furthest, number)
            if number == len(self._events):
                return True
            if (number, state) not in self._tried:
                self._tried.add((number, state))
                stack.append(self._explanations(number, state))
        return False

    @property
    def states(self) -> int:
        """How many were looked at."""
        return self._looked

    def _explanations(self, number: int, state: S) -> Iterator[S]:
        """States behind an event."""
        event = self._events[number]
        before = getattr(self._model, "before", None)
        starts = before(state, event.seen) if before is not None else (state,)
        for start in starts:
            for who in event.who:
                yield from self._by(start, who, event.seen)

    def _by(self, start: S, who: int, wanted: tuple[object, ...]) -> Iterator[S]:
        model, seen, layer = self._model, {start}, [start]
        while layer:
            following: list[S] = []
            for state in layer:
                self._looked += 1
                if self._looked > _STATES:
                    raise Undecided(f"more than {_STATES} states were tried at record {self.furthest + 1}")
                for action, raw in (*model.own_steps(state, who), *model.late_steps(state)):
                    if action.seen and action.seen != wanted:
                        continue
                    new = model.settled(raw)
                    if action.seen:
                        yield new
                    elif new not in seen and model.helps(action, state, new, who, wanted):
                        seen.add(new)
                        following.append(new)
            layer = following


class _Election(Election):
    """The election without bounds, in which nobody dies: who is dead takes no steps."""

    def __init__(self, names: Sequence[str], late: int) -> None:
        super().__init__(
            election.Bounds(len(names), _MANY, late, crashes=0, surrenders=_MANY, timeouts=99, refresh=True)
        )

    def late_steps(self, s: election.State) -> Iterator[tuple[Action, election.State]]:
        """What arrives that nobody waits for."""
        for number, request in enumerate(s.late):
            action, new, _ = self._serve(s._replace(late=s.late[:number] + s.late[number + 1 :]), request)
            yield action, new

    def helps(
        self, action: Action, old: election.State, new: election.State, who: int, wanted: tuple[object, ...]
    ) -> bool:
        """Whether a step that nobody saw may have to be before what was seen; all others may as well be later."""
        del old, new, who
        if wanted[0] == "lease":
            return self.bounds.late > 0 or action.name not in ("sends a write", "sends its fence", "renews its fence")
        return action.name not in ("campaigns", "renews", "gives up", "gives back", "is deposed")


class _Handover(Handover):
    """Shards without bounds: a commit is of as many inputs as the record says."""

    def __init__(self, names: Sequence[str], partitions: int, late: int) -> None:
        super().__init__(handover.Bounds(len(names), partitions, _MANY, _MANY, late, 0, _MANY, _MANY, 99))
        self._order = [
            sorted(range(len(names)), key=lambda m: weight(str(p), names[m]), reverse=True) for p in range(partitions)
        ]
        self.aims: dict[int, int] = {}

    def late_steps(self, s: handover.State) -> Iterator[tuple[Action, handover.State]]:
        """What arrives that nobody waits for."""
        for number, request in enumerate(s.late):
            action, new, _ = self._serve(s._replace(late=s.late[:number] + s.late[number + 1 :]), request)
            yield action, new

    def before(self, state: handover.State, seen: tuple[object, ...]) -> Iterator[handover.State]:
        """Each member may have seen the sessions as they are before one of them changes."""
        self.aims = {}
        if seen[0] == "batch":
            self.aims = {entry[0]: entry[4] for entry in seen[1]}  # type: ignore[attr-defined]
        if seen[0] != "session":
            yield state
            return
        old = [m for m, c in enumerate(state.members) if c.session in (1, 2) and c.sees != state.sessions]
        for mask in range(2 ** len(old) - 1, -1, -1):
            members = list(state.members)
            for bit, m in enumerate(old):
                if mask >> bit & 1:
                    members[m] = members[m]._replace(sees=state.sessions)
            yield state._replace(members=tuple(members))

    def helps(
        self, action: Action, old: handover.State, new: handover.State, who: int, wanted: tuple[object, ...]
    ) -> bool:
        """Whether a step that nobody saw may have to be before what was seen; all others may as well be later."""
        before, after = old.members[who], new.members[who]
        asks, puts = before.asks != after.asks, before.puts != after.puts
        if wanted[0] == "batch":
            there = {entry[0] for entry in wanted[1]}  # type: ignore[attr-defined]
            ours = all(entry.partition in there for entry in after.puts.entries)
            return (puts and ours) or action.name in ("fails to take over", "sees a later owner")
        if wanted[0] == "own":
            changed = [p for p, part in enumerate(before.parts) if part != after.parts[p]]
            if asks and any(entry.partition != wanted[1] for entry in after.asks.entries):
                return False
            return changed in ([], [wanted[1]]) and not (puts and after.puts.kind)
        return not (asks and after.asks.kind) and not (puts and after.puts.kind)

    def commits(self, s: handover.State, m: int, c: handover.Member) -> Iterator[tuple[Action, handover.State]]:
        """The batch that was seen, if it is this member's."""
        if self.aims and all(c.parts[p].seq and new >= c.parts[p].done for p, new in self.aims.items()):
            yield self._send(s, m, c, {p: new - c.parts[p].done for p, new in self.aims.items()})


def check(records: Sequence[Record], what: str, *, most_late: int = _LATE) -> Verdict:
    """Whether the records of an `election` or of a `hand-over` are a behaviour of its model.

    Raises:
        Undecided: it would take too long to say.
    """
    names: list[str] = []
    for record in records:
        for who in (record, *record.get("entries", ())):
            name = who.get("holder", who.get("member"))
            if name is not None and name not in names:
                names.append(name)
    if what == "election":
        kept = [record for record in records if record["kind"] in ("lease", "fence", "write")]
        names = [name for name in names if any(record["holder"] == name for record in kept)]
        events = [_election_event(record, names) for record in kept]
    else:
        kept = [record for record in records if record["kind"] in ("session", "own", "batch")]
        names = [name for name in names if any(record.get("member") == name for record in kept)]
        events = [_handover_event(record, names) for record in kept]
    partitions = 1 + max((e["partition"] for record in kept for e in record.get("entries", ())), default=0)
    states = furthest = 0
    for late in range(most_late + 1):
        search: _Search[election.State] | _Search[handover.State]
        search = (
            _Search(_Election(names, late), events)
            if what == "election"
            else _Search(_Handover(names, partitions, late), events)
        )
        done = search.run()
        states += search.states
        furthest = max(furthest, search.furthest)
        if done:
            return Verdict(len(events), len(events), states)
    return Verdict(furthest, len(events), states, f"record {furthest + 1}: {kept[furthest]}")


def _election_event(record: Record, names: Sequence[str]) -> Event:
    who = names.index(record["holder"])
    held = (record["held"],) if record["kind"] == "lease" else ()
    return Event((record["kind"], who, record["epoch"], *held), (who,))


def _handover_event(record: Record, names: Sequence[str]) -> Event:
    if record["kind"] == "session":
        who, state = names.index(record["member"]), _SESSIONS[record["state"]]
        others = tuple(m for m in range(len(names)) if m != who) if state == handover.DEAD else ()
        return Event(("session", who, state), (who, *others))
    if record["kind"] == "own":
        who = names.index(record["holder"])
        return Event(("own", record["partition"], who, record["epoch"], record["held"]), (who,))
    entries = record["entries"]
    who = names.index(entries[0]["holder"])
    if any("outputs" in each for each in entries) or len({each["holder"] for each in entries}) > 1:
        return Event(("nothing that a member does",), (who,))
    found = tuple((e["partition"], who, e["epoch"], e["old"], e["new"]) for e in entries)
    return Event(("batch", found), (who,))


__all__ = ["Event", "Undecided", "Verdict", "check"]
