"""Model of shards and their stage: sessions, owner records, claims, checkpoints with outputs, hand-over.

No clock: a member may be taken for dead at any time, rightly or not; a request may arrive at any time after it was sent,
or never; a member may stand still for as long as it likes. What a member sees of the others' sessions may be old; what it
sees of an owner record may be too, but each write to one expects the revision that was seen, so that an old view only
costs a refusal: a record is read where it is asked for.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

from tests.model.engine import Action, Promise
from tests.model.handover_state import (
    ANY,
    CLAIM,
    COMMIT,
    DEAD,
    DRAIN,
    FAULTS,
    FENCE,
    LAST,
    LIVE,
    NONE,
    NOTHING,
    RELEASE,
    Bounds,
    Checkpoint,
    Entry,
    Member,
    Owner,
    Part,
    Request,
    State,
    at,
    mark,
    put,
)


class Handover:
    """The model; `mutant` names what is done wrongly in it."""

    def __init__(self, bounds: Bounds, mutant: str = "", name: str = "") -> None:
        self.bounds, self.mutant = bounds, mutant
        self._memo: dict[tuple[Member, tuple[int, ...], tuple[int, ...]], Member] = {}
        self.name = name or f"hand-over {tuple(bounds)}"
        count = bounds.members
        # By rendezvous each partition has an order of its own in which members come.
        self._order = [[(p + n) % count for n in range(count)] for p in range(bounds.partitions)]

    def first(self) -> State:
        """Nobody has begun."""
        count, parts = self.bounds.members, self.bounds.partitions
        return State(
            (DEAD,) * count,
            (Owner(),) * parts,
            (Checkpoint(),) * parts,
            (0,) * parts,
            (self._fresh(),) * count,
        )

    def _fresh(self, *, up: bool = True) -> Member:
        return Member(up, 0, (DEAD,) * self.bounds.members, (NOTHING,) * self.bounds.partitions)

    # -- what can happen -------------------------------------------------------------------------------------------

    def steps(self, s: State) -> Iterator[tuple[Action, State]]:
        """Of every member, and of the server for what nobody waits for any more."""
        for m in range(len(s.members)):
            yield from self.own_steps(s, m)
        for number, request in enumerate(s.late):
            without = s._replace(late=s.late[:number] + s.late[number + 1 :])
            action, new, _ = self._serve(without, request)
            yield action, new

    def own_steps(self, s: State, m: int) -> Iterator[tuple[Action, State]]:
        """Of one member, and of the server for what it waits for."""
        c = s.members[m]
        if not c.up:
            yield Action("starts", m), put(s, m, self._fresh())
            return
        yield from self._faults(s, m, c)
        for request in (c.asks, c.puts):
            if request.kind:
                action, new, taken = self._serve(s, request._replace(sender=m))
                yield action, put(new, m, self._heard(new.members[m], request, new, taken=taken))
        yield from self._session(s, m, c)
        if c.session in (1, 2) and not c.asks.kind:
            yield from self._settle_records(s, m, c)
        if not c.puts.kind:
            yield from self._stage(s, m, c)

    def _faults(self, s: State, m: int, c: Member) -> Iterator[tuple[Action, State]]:
        spent, bounds = s.spent, self.bounds
        if spent.crashes < bounds.crashes:
            for late in self._left_behind(s, m, c.asks, c.puts):
                dead = put(s, m, self._fresh(up=False))
                yield Action("dies", m), dead._replace(late=late, spent=spent._replace(crashes=spent.crashes + 1))
        if spent.leaves < bounds.leaves and c.session == 1 and s.sessions[m] == LIVE:
            new = put(s, m, c._replace(session=2))._replace(sessions=at(s.sessions, m, DRAIN))
            yield (
                Action("leaves", m, ("session", m, DRAIN)),
                new._replace(spent=spent._replace(leaves=spent.leaves + 1)),
            )
        if spent.timeouts >= bounds.timeouts:
            return
        s = s._replace(spent=spent._replace(timeouts=spent.timeouts + (bounds.timeouts < ANY)))
        if c.asks.kind:
            for late in self._left_behind(s, m, c.asks):
                yield Action("waits no longer", m), put(s, m, c._replace(asks=NONE))._replace(late=late)
        if c.puts.kind:
            for late in self._left_behind(s, m, c.puts):
                yield Action("waits no longer", m), put(s, m, self._recover(c))._replace(late=late)

    def _left_behind(self, s: State, m: int, *requests: Request) -> Iterator[tuple[Request, ...]]:
        open_ones = [each._replace(sender=m) for each in requests if each.kind]
        for count in range(min(self.bounds.late - len(s.late), len(open_ones)) + 1):
            for kept in combinations(open_ones, count):
                yield tuple(sorted((*s.late, *kept)))

    def _recover(self, c: Member) -> Member:
        """Every partition from its checkpoint again."""
        return c._replace(puts=NONE, parts=tuple(part._replace(seq=0, done=0) for part in c.parts))

    # -- the server ------------------------------------------------------------------------------------------------

    def _serve(self, s: State, request: Request) -> tuple[Action, State, bool]:
        kind, m = request.kind, request.sender
        if kind in (CLAIM, RELEASE):
            (entry,) = request.entries
            p = entry.partition
            if entry.expected != s.owners[p].revision and self.mutant != "no CAS":
                return Action("is refused the record", m), s, False
            owner = Owner(s.owners[p].revision + 1, m, entry.epoch, kind == CLAIM)
            word = "claims" if kind == CLAIM else "releases"
            return (
                Action(word, m, ("own", p, m, entry.epoch, owner.held)),
                s._replace(owners=at(s.owners, p, owner)),
                True,
            )
        for entry in request.entries:
            if entry.expected != s.checkpoints[entry.partition].seq and self.mutant != "no expectation":
                return Action("is refused the checkpoint", m), s, False
        checkpoints, outputs = list(s.checkpoints), list(s.outputs)
        for entry in request.entries:
            p = entry.partition
            checkpoints[p] = Checkpoint(checkpoints[p].seq + 1, m, entry.epoch, entry.new)
            outputs[p] = max(
                outputs[p], entry.new - (self.mutant == "a checkpoint before its output" and kind == COMMIT)
            )
        seen = tuple((e.partition, m, e.epoch, e.old, e.new) for e in request.entries)
        new = s._replace(checkpoints=tuple(checkpoints), outputs=tuple(outputs))
        return Action("takes over" if kind == FENCE else "commits", m, ("batch", seen)), new, True

    def _heard(self, c: Member, request: Request, new: State, *, taken: bool) -> Member:
        """The answer is heard at once: whoever hears it later does nothing in between that he may not do now."""
        if request.kind in (CLAIM, RELEASE):
            c = c._replace(asks=NONE)
            if taken and request.kind == CLAIM:
                (entry,) = request.entries
                c = c._replace(parts=at(c.parts, entry.partition, Part(entry.epoch)))
            return c
        if not taken:
            return c._replace(puts=NONE) if request.kind == FENCE else self._recover(c)
        parts = list(c.parts)
        for entry in request.entries:
            p = entry.partition
            if parts[p].epoch == entry.epoch:
                again = self.mutant == "an off-by-one in hand-over" and request.kind == FENCE
                parts[p] = Part(entry.epoch, new.checkpoints[p].seq, max(0, entry.new - again))
        return c._replace(puts=NONE, parts=tuple(parts))

    # -- a member --------------------------------------------------------------------------------------------------

    def _session(self, s: State, m: int, c: Member) -> Iterator[tuple[Action, State]]:
        if c.session == 0:
            joined = c._replace(session=1, sees=at(s.sessions, m, LIVE))
            yield (
                Action("joins", m, ("session", m, LIVE)),
                put(s, m, joined)._replace(sessions=at(s.sessions, m, LIVE)),
            )
            return
        if c.session == 3:
            if not any(part.epoch for part in c.parts) and not c.asks.kind:
                yield Action("begins anew", m), put(s, m, c._replace(session=0))
            return
        if c.sees != s.sessions:
            yield Action("sees the sessions", m), put(s, m, c._replace(sees=s.sessions))
        if c.session == 1 and s.sessions[m] == DEAD:
            yield Action("hears of its death", m), put(s, m, c._replace(session=3))
        for q, there in enumerate(s.sessions):
            if q == m or c.sees[q] == DEAD or there == DEAD:
                continue
            other = s.members[q]
            lives = other.up and other.session in (1, 2)
            if lives and s.spent.deaths >= self.bounds.deaths:
                continue
            word = "declares the living dead" if lives else "declares the dead dead"
            new = put(s, m, c._replace(sees=at(c.sees, q, DEAD)))._replace(sessions=at(s.sessions, q, DEAD))
            yield (
                Action(word, m, ("session", q, DEAD)),
                new._replace(spent=s.spent._replace(deaths=s.spent.deaths + lives)),
            )
        waits = c.asks.kind or c.puts.kind or any(part.epoch for part in c.parts)
        if c.session == 2 and not waits and not any(owner.held and owner.holder == m for owner in s.owners):
            gone = put(s, m, self._fresh(up=False))
            yield Action("has left", m, ("session", m, DEAD)), gone._replace(sessions=at(s.sessions, m, DEAD))

    def _is_mine(self, c: Member, m: int, p: int) -> bool:
        if c.session != 1:
            return False
        return next(q for q in self._order[p] if q == m or c.sees[q] == LIVE) == m

    def _settle_records(self, s: State, m: int, c: Member) -> Iterator[tuple[Action, State]]:
        for p, owner in enumerate(s.owners):
            if c.parts[p].epoch and self.mutant != "given back before the last output":
                continue
            named = owner.held and owner.holder == m
            free = not owner.held or named or c.sees[owner.holder] == DEAD
            unknown = free and owner.held and not named and s.sessions[owner.holder] != DEAD
            mine = self._is_mine(c, m, p)
            if unknown and s.spent.deaths >= self.bounds.deaths:
                mine = False
            if mine and not c.parts[p].epoch and free and owner.epoch < self.bounds.epochs:
                epoch = owner.epoch + (self.mutant != "an epoch is used again")
                ask = Request(CLAIM, -1, (Entry(p, max(1, epoch), owner.revision, 0, 0),))
                word = "asks for what a member holds that it does not know" if unknown else "asks for"
                spent = s.spent._replace(deaths=s.spent.deaths + unknown)
                yield Action(word, m), put(s, m, c._replace(asks=ask))._replace(spent=spent)
            if named and self.mutant != "a record outlives its work":
                ask = Request(RELEASE, -1, (Entry(p, owner.epoch, owner.revision, 0, 0),))
                if not c.parts[p].epoch or not mine:
                    yield Action("asks to release", m), put(s, m, c._replace(asks=ask))

    def _stage(self, s: State, m: int, c: Member) -> Iterator[tuple[Action, State]]:
        for p, part in enumerate(c.parts):
            if not part.epoch:
                continue
            owner = s.owners[p]
            astray = (owner.holder, owner.epoch, owner.held) != (m, part.epoch, True)
            if astray or c.session != 1 or not self._is_mine(c, m, p):
                yield from self._let_go(s, m, c, p)
            if part.seq:
                continue
            yield Action("fails to take over", m), put(s, m, c._replace(parts=at(c.parts, p, NOTHING)))
            yield from self._take_over(s, m, c, p)
        yield from self.commits(s, m, c)

    def commits(self, s: State, m: int, c: Member) -> Iterator[tuple[Action, State]]:
        """Batches that could be sent: of one more input each, of one or more partitions."""
        ready = [p for p, part in enumerate(c.parts) if part.seq and part.done < self.bounds.inputs]
        for count in range(1, len(ready) + 1):
            for chosen in combinations(ready, count):
                yield self._send(s, m, c, dict.fromkeys(chosen, 1))

    def _let_go(self, s: State, m: int, c: Member, p: int) -> Iterator[tuple[Action, State]]:
        yield Action("lets go", m), put(s, m, c._replace(parts=at(c.parts, p, NOTHING)))

    def _take_over(self, s: State, m: int, c: Member, p: int) -> Iterator[tuple[Action, State]]:
        last, epoch = s.checkpoints[p], c.parts[p].epoch
        later = last.epoch > epoch or (last.epoch == epoch and last.holder != m)
        if later and self.mutant != "a checkpoint's epoch is not looked at":
            yield Action("sees a later owner", m), put(s, m, c._replace(parts=at(c.parts, p, NOTHING)))
        elif self.mutant == "a checkpoint is not fenced":
            part = Part(epoch, last.seq, last.done)
            yield Action("goes on", m), put(s, m, c._replace(parts=at(c.parts, p, part)))
        else:
            entry = Entry(p, epoch, last.seq, last.done, last.done)
            yield Action("reads the checkpoint", m), put(s, m, c._replace(puts=Request(FENCE, -1, (entry,))))

    def _send(self, s: State, m: int, c: Member, more: dict[int, int]) -> tuple[Action, State]:
        parts = [(p, c.parts[p]) for p in more]
        entries = (Entry(p, part.epoch, part.seq, part.done, part.done + more[p]) for p, part in parts)
        return Action("sends a batch", m), put(s, m, c._replace(puts=Request(COMMIT, -1, tuple(entries))))

    # -- what is asked ---------------------------------------------------------------------------------------------

    def wrong(self, old: State, action: Action, new: State) -> str:
        """What may not be."""
        if action.seen and action.seen[0] == "own":
            p, m, epoch = action.seen[1:4]
            before = old.owners[p]  # type: ignore[call-overload]
            if epoch < before.epoch or (epoch == before.epoch and m != before.holder):  # type: ignore[operator]
                return f"the record of epoch {before.epoch} is followed by one of epoch {epoch} of another"
        if action.seen and action.seen[0] == "batch":
            for p, m, epoch, first, last in action.seen[1]:  # type: ignore[attr-defined]
                there = old.checkpoints[p]
                if epoch < there.epoch or (epoch == there.epoch and m != there.holder):
                    return f"a batch of epoch {epoch} is taken behind the checkpoint of epoch {there.epoch} of another"
                if first != old.outputs[p]:
                    return f"outputs of the inputs behind {first} follow those up to {old.outputs[p]}"
                if last < there.done:
                    return f"a checkpoint goes back from {there.done} to {last}"
                if new.checkpoints[p].done != new.outputs[p]:
                    return f"the checkpoint says {new.checkpoints[p].done}, the outputs are those of {new.outputs[p]}"
        return self._worked_on(new)

    def _worked_on(self, s: State) -> str:
        certain = self.bounds.timeouts == 0 and s.spent.deaths == 0
        for p, checkpoint in enumerate(s.checkpoints):
            parts = [c.parts[p] for c in s.members if c.parts[p].seq]
            if certain and len(parts) > 1:
                return f"two work on partition {p}, though nobody was taken for dead who lives"
            if sum(part.seq == checkpoint.seq for part in parts) > 1:
                return f"two could write of partition {p}"
        return ""

    def by_itself(self, action: Action) -> bool:
        """Whether no fault is needed."""
        return action.name not in FAULTS

    def promises(self) -> tuple[Promise[State], ...]:
        """Everything can still be done, by one member each."""
        text = "from every state each partition can come to be worked on by one member, and all of its inputs be done"
        return (Promise(text, self._has_room, self.by_itself, self._done),)

    def _has_room(self, s: State) -> bool:
        """Epochs are bounded here and nowhere else."""
        asked = [entry.epoch for c in s.members for entry in c.asks.entries]
        asked += [entry.epoch for request in s.late if request.kind == CLAIM for entry in request.entries]
        return max(*(owner.epoch for owner in s.owners), *asked, 0) + 2 <= self.bounds.epochs

    def _done(self, s: State) -> bool:
        for p, (owner, checkpoint) in enumerate(zip(s.owners, s.checkpoints, strict=True)):
            if not owner.held or checkpoint.done != self.bounds.inputs:
                return False
            workers = [m for m, c in enumerate(s.members) if c.parts[p].epoch]
            if workers != [owner.holder] or s.members[owner.holder].parts[p].seq != checkpoint.seq:
                return False
        return True

    def settled(self, s: State) -> State:
        """What expects what was is as good as refused, whenever it arrives, and its sender might as well know."""
        revisions = tuple(owner.revision for owner in s.owners)
        seqs = tuple(checkpoint.seq for checkpoint in s.checkpoints)
        late = []
        for request in s.late:
            due = self._due(request, revisions, seqs)
            if due.kind:
                late.append(due)
        return State(
            s.sessions,
            tuple(owner._replace(revision=LAST) for owner in s.owners),
            tuple(checkpoint._replace(seq=LAST) for checkpoint in s.checkpoints),
            s.outputs,
            tuple(self._settle(c, revisions, seqs) for c in s.members),
            tuple(late),
            s.spent,
        )

    same = settled

    def _settle(self, c: Member, revisions: tuple[int, ...], seqs: tuple[int, ...]) -> Member:
        key = (c, revisions, seqs)
        found = self._memo.get(key)
        if found is None:
            asks, puts = self._due(c.asks, revisions, seqs), self._due(c.puts, revisions, seqs)
            found = c._replace(asks=asks)
            if c.puts.kind == COMMIT and not puts.kind:
                found = self._recover(found)
            marked = (part._replace(seq=mark(part.seq, seqs[p])) for p, part in enumerate(found.parts))
            found = self._memo[key] = found._replace(puts=puts, parts=tuple(marked))
        return found

    def _due(self, request: Request, revisions: tuple[int, ...], seqs: tuple[int, ...]) -> Request:
        if not request.kind:
            return NONE
        last = revisions if request.kind in (CLAIM, RELEASE) else seqs
        entries = tuple(e._replace(expected=mark(e.expected, last[e.partition])) for e in request.entries)
        refused = any(entry.expected != LAST for entry in entries)
        if refused and self.mutant not in ("no CAS", "no expectation"):
            return NONE
        return request._replace(entries=entries)
