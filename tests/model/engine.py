"""Visits every state of a model, breadth first: what is violated is told by a shortest story.

A model is a set of states and, of each state, the steps that can be taken next. Nothing is sampled: what holds holds in
every order of every step within the model's bounds.
"""

from __future__ import annotations

import time
from array import array
from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass, field
from typing import Generic, NamedTuple, Protocol, TypeVar

import numpy as np

S = TypeVar("S", bound=Hashable)
_MOST = 20_000_000


class Action(NamedTuple):
    """A step: its name, who does it (-1: nobody), what somebody outside could see of it (empty: nothing)."""

    name: str
    who: int = -1
    seen: tuple[object, ...] = ()


class Model(Protocol[S]):
    """What is explored. `by_itself` tells the steps that need no fault: by them alone what is good must be reached."""

    name: str

    def first(self) -> S:
        """Where everything begins."""
        ...

    def steps(self, state: S) -> Iterator[tuple[Action, S]]:
        """What can happen next."""
        ...

    def same(self, state: S) -> S:
        """One state for all that differ by names only."""
        ...

    def wrong(self, old: S, action: Action, new: S) -> str:
        """What may not be, in words; empty where all is well."""
        ...

    def by_itself(self, action: Action) -> bool:
        """Whether the step needs no fault."""
        ...

    def promises(self) -> tuple[Promise[S], ...]:
        """What must stay possible."""
        ...


class Promise(NamedTuple, Generic[S]):
    """From every state of `of`, by steps of `by` alone, a state of `good` can be reached."""

    text: str
    of: Callable[[S], bool]
    by: Callable[[Action], bool]
    good: Callable[[S], bool]


@dataclass
class Found(Generic[S]):
    """What came of it; `violation` is empty where everything holds, else `story` leads there."""

    name: str
    states: int = 0
    steps: int = 0
    depth: int = 0
    seconds: float = 0.0
    violation: str = ""
    story: list[tuple[Action, S]] = field(default_factory=list)
    actions: dict[str, int] = field(default_factory=dict)

    def __str__(self) -> str:
        held = f"VIOLATED: {self.violation}" if self.violation else "holds"
        return (
            f"{self.name}: {self.states} states, {self.steps} steps, {self.depth} deep, "
            f"in {self.seconds:.1f} s of CPU: {held}"
        )

    def told(self) -> str:
        """The story, a line a step."""
        return "\n".join(f"{n:>3} {_in_words(action)}" for n, (action, _) in enumerate(self.story, 1))


def _in_words(action: Action) -> str:
    who = "" if action.who < 0 else f"{'abc'[action.who]}: "
    seen = f"  {' '.join(map(str, action.seen))}" if action.seen else ""
    return f"{who}{action.name}{seen}"


class Explorer(Generic[S]):
    """One exploration of one model."""

    def __init__(self, model: Model[S], most: int = _MOST) -> None:
        self._model, self._most = model, most
        self._numbers: dict[S, int] = {}
        self._states: list[S] = []
        self._parents = array("q")
        self._by: list[Action | None] = []
        self._sources, self._targets = array("q"), array("q")
        self._kinds = array("h")
        self._actions: list[Action] = []
        self._kind_of: dict[str, int] = {}
        self._counts: dict[str, int] = {}

    def run(self) -> Found[S]:
        """Visit everything, or stop at the first state in which something is wrong."""
        model, started = self._model, time.process_time()
        self._add(model.same(model.first()), -1, None)
        at, depth, end_of_depth = 0, 0, 1
        violation, last = "", -1
        same, steps, wrong, numbers = model.same, model.steps, model.wrong, self._numbers
        while at < len(self._states) and not violation:
            if at == end_of_depth:
                depth, end_of_depth = depth + 1, len(self._states)
            old = self._states[at]
            for action, raw in steps(old):
                text = wrong(old, action, raw)
                new = same(raw)
                number = numbers.get(new)
                if number is None:
                    number = self._add(new, at, action)
                self._sources.append(at)
                self._targets.append(number)
                self._kinds.append(self._kind(action))
                if text:
                    violation, last = text, at
                    break
            at += 1
            if len(self._states) > self._most:
                raise MemoryError(f"{model.name}: more than {self._most} states: its bounds are too wide")
        found: Found[S] = Found(model.name, len(self._states), len(self._sources), depth)
        if violation:
            found.violation, found.story = violation, [*self._path(last), (action, raw)]
        else:
            self._keep_promises(found)
        for kind, number in zip(*np.unique(np.asarray(self._kinds), return_counts=True), strict=True):
            found.actions[self._actions[kind].name] = int(number)
        found.seconds = time.process_time() - started
        return found

    def _add(self, state: S, parent: int, action: Action | None) -> int:
        number = self._numbers[state] = len(self._states)
        self._states.append(state)
        self._parents.append(parent)
        self._by.append(action)
        return number

    def _kind(self, action: Action) -> int:
        kind = self._kind_of.get(action.name)
        if kind is None:
            kind = self._kind_of[action.name] = len(self._actions)
            self._actions.append(action)
        return kind

    def _path(self, number: int) -> list[tuple[Action, S]]:
        steps: list[tuple[Action, S]] = []
        while (action := self._by[number]) is not None:
            steps.append((action, self._states[number]))
            number = self._parents[number]
        return steps[::-1]

    def _keep_promises(self, found: Found[S]) -> None:
        sources, targets = np.asarray(self._sources), np.asarray(self._targets)
        kinds = np.asarray(self._kinds)
        for promise in self._model.promises():
            allowed = np.array([promise.by(action) for action in self._actions], dtype=bool)[kinds]
            froms, tos = sources[allowed], targets[allowed]
            reached = np.fromiter((promise.good(state) for state in self._states), bool, len(self._states))
            before = -1
            while before != (now := int(reached.sum())):
                before = now
                reached[froms[reached[tos]]] = True
            of = np.fromiter((promise.of(state) for state in self._states), bool, len(self._states))
            lost = np.flatnonzero(of & ~reached)
            if lost.size:
                found.violation = f"{promise.text}; not so in {lost.size} states"
                found.story = self._path(int(lost[0]))
                return


def explore(model: Model[S], most: int = _MOST) -> Found[S]:
    """Visit every state of a model.

    Raises:
        MemoryError: there are more than `most`.
    """
    return Explorer(model, most).run()


__all__ = ["Action", "Explorer", "Found", "Model", "Promise", "explore"]
