"""Model of one lease: its key written by compare-and-swap, its epochs, the fence of a stream, the writes behind it.

Without a clock (`lease=0`) a lease may be taken for lapsed at any time, rightly or not: what holds then needs no clock,
no probe and no good luck. With one, time goes in ticks, all clocks at one rate, and probes see whose connection is gone.
A process that is frozen is one that takes no step for as long as it likes. A request may arrive at any time after it was
sent, also when its sender waits for it no longer, leads no longer or is dead; or never.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

from tests.model.election_state import (
    CAMPAIGN,
    FAULTS,
    FENCE,
    LAST,
    NONE,
    OLD,
    RELEASE,
    RENEW,
    WRITE,
    Bounds,
    Candidate,
    Fence,
    Lease,
    Request,
    State,
    believed,
    mark,
    put,
    ticked,
)
from tests.model.engine import Action, Promise


class Election:
    """The model; `mutant` names what is done wrongly in it."""

    def __init__(self, bounds: Bounds, mutant: str = "", name: str = "") -> None:
        self.bounds, self.mutant = bounds, mutant
        self._memo: dict[tuple[Candidate, int, int, int], Candidate] = {}
        self.name = name or f"election{' with a clock' if bounds.lease else ''} {tuple(bounds)}"

    def first(self) -> State:
        """Nobody has led yet."""
        return State(candidates=(Candidate(),) * self.bounds.processes)

    # -- what can happen -------------------------------------------------------------------------------------------

    def steps(self, s: State) -> Iterator[tuple[Action, State]]:
        """Of every candidate, of the server, of time."""
        for p in range(len(s.candidates)):
            yield from self.own_steps(s, p)
        for number, request in enumerate(s.late):
            action, new, _ = self._serve(s._replace(late=s.late[:number] + s.late[number + 1 :]), request)
            yield action, new
        if self.bounds.lease:
            yield Action("a tick"), ticked(s, self.bounds.lease)

    def own_steps(self, s: State, p: int) -> Iterator[tuple[Action, State]]:
        """Of one candidate, and of the server for what it waits for."""
        c = s.candidates[p]
        if not c.up:
            yield Action("starts", p), put(s, p, Candidate())
            return
        yield from self._faults(s, p, c)
        for field in ("asks", "raising", "writing"):
            request: Request = getattr(c, field)
            if request is not NONE and request.answer == 0 and request.kind and c.connected:
                action, new, answer = self._serve(s, request._replace(sender=p))
                yield action, put(new, p, new.candidates[p]._replace(**{field: request._replace(answer=answer)}))
        if not c.connected:
            yield Action("is back", p), put(s, p, c._replace(connected=True, silent=0, heard=False, missed=0))
            return
        if c.asks.kind:
            yield from self._answered(s, p, c)
        elif c.leads:
            yield from self._lead(s, p, c)
        else:
            yield from self._stand_by(s, p, c)
        if c.leads:
            yield from self._write(s, p, c)

    def _faults(self, s: State, p: int, c: Candidate) -> Iterator[tuple[Action, State]]:
        spent, bounds = s.spent, self.bounds
        if spent.crashes < bounds.crashes:
            for late in self._left_behind(s, p, c.asks, c.raising, c.writing):
                dead = put(s, p, Candidate(up=False))
                yield Action("dies", p), dead._replace(late=late, spent=spent._replace(crashes=spent.crashes + 1))
        if spent.surrenders < bounds.surrenders and c.leads and not c.surrenders:
            new = put(s, p, c._replace(surrenders=True))
            yield Action("gives up", p), new._replace(spent=spent._replace(surrenders=spent.surrenders + 1))
        if spent.cuts < bounds.cuts and c.connected:
            for late in self._left_behind(s, p, c.asks, c.raising, c.writing):
                cut = c._replace(
                    connected=False, broken=True, asks=NONE, raising=NONE, writing=NONE, in_vain=c.leads, missed=0
                )
                yield (
                    Action("is cut off", p),
                    put(s, p, cut)._replace(late=late, spent=spent._replace(cuts=spent.cuts + 1)),
                )
        if spent.timeouts >= bounds.timeouts:
            return
        s = s._replace(spent=spent._replace(timeouts=spent.timeouts + (bounds.timeouts < 99)))
        for late in self._left_behind(s, p, c.asks) if c.asks.kind else ():
            yield Action("waits no longer", p), put(s, p, c._replace(asks=NONE, in_vain=c.leads))._replace(late=late)
        for late in self._left_behind(s, p, c.raising) if c.raising.kind else ():
            # One that only renews its fence cannot know under which sequence it may write: it ends.
            yield (
                Action("waits no longer", p),
                put(s, p, c._replace(raising=NONE, surrenders=c.surrenders or c.fence > 0))._replace(late=late),
            )
        for late in self._left_behind(s, p, c.writing) if c.writing.kind else ():
            yield Action("waits no longer", p), put(s, p, c._replace(writing=NONE))._replace(late=late)

    def _left_behind(self, s: State, p: int, *requests: Request) -> Iterator[tuple[Request, ...]]:
        """What may still be on its way of requests that nobody waits for any more: all, some, none."""
        open_ones = [each._replace(sender=p, age=0) for each in requests if each.kind and each.answer == 0]
        room = self.bounds.late - len(s.late)
        for count in range(min(room, len(open_ones)) + 1):
            for kept in combinations(open_ones, count):
                yield tuple(sorted((*s.late, *kept)))

    # -- the server ------------------------------------------------------------------------------------------------

    def _serve(self, s: State, request: Request) -> tuple[Action, State, int]:
        """What the server makes of a request, and its answer."""
        kind, who = request.kind, request.sender
        if kind in (CAMPAIGN, RENEW, RELEASE):
            taken = request.expected == s.lease.revision or self.mutant == "no CAS"
            if not taken:
                return Action("is refused the lease", who), s, -1
            lease = Lease(s.lease.revision + 1, who, request.epoch, kind != RELEASE)
            word = {CAMPAIGN: "takes the lease", RENEW: "renews the lease", RELEASE: "gives the lease back"}[kind]
            return Action(word, who, ("lease", who, request.epoch, lease.held)), s._replace(lease=lease), lease.revision
        taken = request.expected == s.fence.seq
        if kind == FENCE:
            if not taken:
                return Action("is refused the fence", who), s, -1
            fence = Fence(s.fence.seq + 1, who, request.epoch)
            new = s._replace(fence=fence, top=max(s.top, request.epoch))
            return Action("raises the fence", who, ("fence", who, request.epoch)), new, fence.seq
        if taken or self.mutant == "writes without a fence":
            return Action("writes", who, ("write", who, request.epoch)), s, s.fence.seq
        return Action("is refused a write", who), s, -1

    # -- a candidate -----------------------------------------------------------------------------------------------

    def _stand_by(self, s: State, p: int, c: Candidate) -> Iterator[tuple[Action, State]]:
        seen = s.lease
        if self.bounds.lease:
            if c.seen != s.lease:
                missed = c.missed if self.mutant == "a probe outlives a renewal" else 0
                silent = c._replace(seen=s.lease, silent=0, missed=missed)
                if c.seen.epoch != s.lease.epoch:
                    silent = silent._replace(heard=False, missed=0)
                yield Action("looks", p), put(s, p, silent)
            if c.seen.revision == 0:
                return
            seen = c.seen
            yield from self._probe(s, p, c)
        if not self._vacant(c, seen, p):
            return
        step = 0 if self.mutant == "an epoch is used again" else 1
        epoch = max(seen.epoch, c.epoch) + step
        if epoch <= self.bounds.epochs:
            yield (
                Action("campaigns", p),
                put(s, p, c._replace(asks=Request(CAMPAIGN, -1, max(1, epoch), seen.revision))),
            )

    def _vacant(self, c: Candidate, seen: Lease, p: int) -> bool:
        if not self.bounds.lease:
            return self.mutant != "a lapsed lease is not taken" or not seen.held
        lapsed = c.silent > self.bounds.lease - (self.mutant == "a lease is taken before it ends") * 2
        return not seen.held or seen.holder == p or lapsed or c.missed > 1

    def _probe(self, s: State, p: int, c: Candidate) -> Iterator[tuple[Action, State]]:
        seen = c.seen
        if not seen.held or seen.holder == p or c.missed > 1:
            return
        holder = s.candidates[seen.holder]
        asks_for = holder.asks.epoch if holder.asks.kind == CAMPAIGN else 0
        serves = holder.up and holder.connected and seen.epoch in (holder.leads and holder.epoch, asks_for)
        if serves and not c.heard:
            yield Action("hears the holder", p), put(s, p, c._replace(heard=True, missed=0))
        elif serves and c.missed:
            yield Action("hears the holder", p), put(s, p, c._replace(missed=0))
        elif not serves and c.heard:
            missed = c.missed + (self.mutant != "a probe is not counted")
            yield Action("misses the holder", p), put(s, p, c._replace(missed=missed))

    def _answered(self, s: State, p: int, c: Candidate) -> Iterator[tuple[Action, State]]:
        asks = c.asks
        if asks.answer == 0:
            return
        plain = c._replace(asks=NONE)
        age = 0 if self.mutant == "a lease counts from its answer" else asks.age
        left = max(0, self.bounds.lease - age)
        mine = Lease(asks.answer, p, asks.epoch, held=True) if self.bounds.lease else c.seen
        plain = plain._replace(revision=asks.answer, in_vain=False, left=left, seen=mine, silent=0, broken=False)
        if asks.kind == CAMPAIGN:
            plain = plain._replace(leads=True, epoch=asks.epoch, surrenders=False)
        yield Action("hears yes", p), put(s, p, plain)

    def _lead(self, s: State, p: int, c: Candidate) -> Iterator[tuple[Action, State]]:
        if c.surrenders:
            for down in self._step_down(s, p, c):
                asks = Request(RELEASE, -1, c.epoch, c.revision)
                yield Action("gives back", p), put(down, p, down.candidates[p]._replace(asks=asks))
        elif not c.in_vain:
            yield Action("renews", p), put(s, p, c._replace(asks=Request(RENEW, -1, c.epoch, c.revision)))
        elif (s.lease.holder, s.lease.epoch) == (p, c.epoch):
            yield Action("reads its own", p), put(s, p, c._replace(revision=s.lease.revision, in_vain=False))
        elif self.mutant != "a deposed leader goes on":
            for down in self._step_down(s, p, c):
                yield Action("is deposed", p), down

    def _step_down(self, s: State, p: int, c: Candidate) -> Iterator[State]:
        for late in self._left_behind(s, p, c.raising, c.writing):
            stopped = Candidate(epoch=c.epoch, connected=c.connected, seen=c.seen, silent=c.silent)
            yield put(s, p, stopped)._replace(late=late)

    def _write(self, s: State, p: int, c: Candidate) -> Iterator[tuple[Action, State]]:
        if c.surrenders or (self.bounds.lease and c.left == 0) or c.raising.kind:
            return
        if c.fence == 0:
            yield from self._raise(s, p, c)
            return
        if not c.writing.kind:
            yield Action("sends a write", p), put(s, p, c._replace(writing=Request(WRITE, -1, c.epoch, c.fence)))
            if self.bounds.refresh:
                request = Request(FENCE, -1, c.epoch, c.fence)
                yield Action("renews its fence", p), put(s, p, c._replace(raising=request))

    def _raise(self, s: State, p: int, c: Candidate) -> Iterator[tuple[Action, State]]:
        own = (s.fence.holder, s.fence.epoch) == (p, c.epoch)
        if self.mutant == "a fence is not raised" or own:
            yield Action("has its fence", p), put(s, p, c._replace(fence=s.fence.seq))
        elif s.fence.epoch >= c.epoch and not own and self.mutant != "a fence is lowered":
            yield Action("sees a later fence", p), put(s, p, c._replace(surrenders=True))
        else:
            request = Request(FENCE, -1, c.epoch, s.fence.seq)
            yield Action("sends its fence", p), put(s, p, c._replace(raising=request))

    # -- what is asked ---------------------------------------------------------------------------------------------

    def wrong(self, old: State, action: Action, new: State) -> str:
        """What may not be."""
        if action.seen:
            what, who, epoch = action.seen[:3]
            if what == "write" and ((who, epoch) != (new.fence.holder, new.fence.epoch) or new.fence.epoch < new.top):
                return f"a write of epoch {epoch} is taken behind the fence of epoch {max(new.top, new.fence.epoch)}"
            if what == "fence" and (new.fence.epoch, new.fence.holder) != (epoch, who):
                return "a fence is not what was written"  # pragma: no cover (a fault of the model)
            if what == "fence" and epoch == old.fence.epoch and who != old.fence.holder:
                return f"two hold the fence of epoch {epoch}"
            if what == "fence" and new.fence.epoch < old.top:
                return f"the fence of epoch {old.top} is followed by one of epoch {epoch}"
            if what == "lease" and new.lease.epoch < old.lease.epoch:
                return f"epoch {old.lease.epoch} of the lease is followed by {epoch}"
            if what == "lease" and epoch == old.lease.epoch and who != old.lease.holder:
                return f"two hold the lease of epoch {epoch}"
        return believed(new) if action.name == "hears yes" else ""

    def by_itself(self, action: Action) -> bool:
        """Whether no fault is needed."""
        return action.name not in FAULTS

    def promises(self) -> tuple[Promise[State], ...]:
        """Somebody can lead again; with a clock, at once where the leader's death was seen."""
        room = self.bounds.epochs

        def writes(s: State) -> bool:
            leaders = [c for c in s.candidates if c.leads]
            return len(leaders) == 1 and leaders[0].fence == s.fence.seq and not leaders[0].surrenders

        again = Promise(
            "from every state one can come to lead, nobody else, and write", self._has_room, self.by_itself, writes
        )
        if not self.bounds.lease:
            return (again,)

        def missed(s: State) -> bool:
            if not s.lease.held or s.lease.epoch >= room or s.candidates[s.lease.holder].up:
                return False
            return any(c.up and c.connected and c.heard and c.seen.epoch == s.lease.epoch for c in s.candidates)

        def replaced(s: State) -> bool:
            return any(c.leads and c.up and c.left for c in s.candidates)

        def at_once(action: Action) -> bool:
            return self.by_itself(action) and action.name not in ("a tick", "starts")

        return (
            again,
            Promise("a leader that is dead and was heard is replaced before time goes on", missed, at_once, replaced),
        )

    def _has_room(self, s: State) -> bool:
        """Epochs are bounded here and nowhere else: at the last one nobody can follow."""
        return max(s.lease.epoch, *(c.epoch for c in s.candidates)) < self.bounds.epochs

    def settled(self, s: State) -> State:
        """What is certain already has happened: a request that expects what was is as good as refused, whenever it
        arrives, and its sender might as well know."""
        revision, seq, top = s.lease.revision, s.fence.seq, s.lease.epoch
        memo, candidates = self._memo, []
        for c in s.candidates:
            key = (c, revision, seq, top)
            found = memo.get(key)
            if found is None:
                found = memo[key] = self._settle(c, revision, seq, top)
            candidates.append(found)
        return State(
            s.lease._replace(revision=LAST),
            s.fence._replace(seq=LAST),
            tuple(r for each in s.late if not (r := self._due(each, revision, seq)).answer) if s.late else s.late,
            tuple(candidates),
            s.top,
            s.spent,
        )

    def _settle(self, c: Candidate, revision: int, seq: int, top: int) -> Candidate:
        asks, raising, writing = (self._due(each, revision, seq) for each in (c.asks, c.raising, c.writing))
        in_vain, surrenders = c.in_vain, c.surrenders
        if (
            asks.answer < 0
        ):  # a leader reads whose the key is, a standby looks again, who gives back has nothing to give
            asks, in_vain = NONE, c.leads
        revision_of = c.revision
        if asks.answer > 0 and (asks.kind == RELEASE or (asks.kind == RENEW and not self.bounds.lease)):
            revision_of = c.asks.answer if c.leads else revision_of  # heard sooner or later: it may wait all the same
            asks, in_vain = NONE, False
        fence = c.fence
        if raising.answer < 0:  # who has no fence yet tries again
            raising, surrenders = NONE, surrenders or c.fence > 0
        elif raising.answer:
            raising, fence = NONE, c.raising.answer
        if writing.answer:
            refused = writing.answer < 0 and self.mutant != "a deposed leader goes on"
            writing, surrenders = NONE, surrenders or refused
        return Candidate(
            c.up,
            c.leads,
            c.epoch if c.leads or c.epoch > top else 0,
            mark(revision_of, revision) if c.leads else 0,
            in_vain,
            asks,
            mark(fence, seq),
            raising,
            writing,
            surrenders,
            c.connected,
            c.broken,
            c.left,
            c.seen._replace(revision=mark(c.seen.revision, revision)) if c.seen.revision else c.seen,
            c.silent,
            c.heard,
            c.missed,
        )

    def _due(self, r: Request, revision: int, seq: int) -> Request:
        if not r.kind:
            return NONE
        last = revision if r.kind in (CAMPAIGN, RENEW, RELEASE) else seq
        expected, answer = mark(r.expected, last), mark(r.answer, last)
        if answer == 0 and expected == OLD and self.mutant not in ("no CAS", "writes without a fence"):
            answer = -1
        return Request(r.kind, r.sender, r.epoch, expected, answer, r.age)

    def same(self, state: State) -> State:
        """Only whether a revision is the last one matters, never which; and who is called what never does."""
        s = self.settled(state)
        count = len(s.candidates)
        found = sorted(
            (c, s.lease.holder == p, s.fence.holder == p, sum(r.sender == p for r in s.late), p)
            for p, c in enumerate(s.candidates)
        )
        order = [each[-1] for each in found]
        if order == sorted(order):
            return s
        names = [-1] * (count + 1)
        for new, p in enumerate(order):
            names[p] = new
        return State(
            s.lease._replace(holder=names[s.lease.holder]),
            s.fence._replace(holder=names[s.fence.holder]),
            tuple(sorted(r._replace(sender=names[r.sender]) for r in s.late)),
            tuple(c._replace(seen=c.seen._replace(holder=names[c.seen.holder])) for c, *_ in found),
            s.top,
            s.spent,
        )
