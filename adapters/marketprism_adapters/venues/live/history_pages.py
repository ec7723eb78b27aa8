"""Pages of a venue's history until nothing is missing of a range, however they come.

What decides is what is still missing, never what a page looks like: half a page, one that came before, one in the wrong
order and an empty one are all pages that did not bring everything. What is missing is asked for again, and what three
answers in a row did not bring is what the venue does not have. So nothing here can go on forever.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from itertools import pairwise

from marketprism_adapters.venues.kit.history_rows import Gathered
from marketprism_application.contracts.venue_messages import Message
from marketprism_application.downloads.planning import Grid
from marketprism_application.errors import SourceError
from marketprism_application.ports.history import Hole

TRIES = 3
Asked = Callable[[int, int], Awaitable[Sequence[Message]]]  # of a range, the rows that an answer has


async def fill_grid(found: Gathered, grid: Grid, page: int, ask: Asked) -> list[Hole]:
    """Rows at the times of a grid; the times that the venue has none for.

    Raises:
        SourceError: a row that is another one each time.
    """
    first, last = grid.from_on(found.ts_from), grid.from_on(found.ts_to)
    missing = set(range(first, last, grid.step))
    barren: set[int] = set()
    tries = 0
    while missing:
        begin = min(missing)
        end = min(begin + page * grid.step, max(missing) + grid.step)
        new = found.add(each for each in await ask(begin, end) if begin <= found.time_of(each) < end)
        _check_differing(found)
        missing -= found.rows.keys()
        if new:
            tries = 0
            continue
        tries += 1
        if tries == TRIES:
            given_up = {ts for ts in missing if ts < end}
            barren |= given_up
            missing -= given_up
            tries = 0
    return _ranges(sorted(barren), grid.step)


async def fill_ids(
    found: Gathered, page: int, by_time: Callable[[], Awaitable[Sequence[Message]]], ask: Asked, *, newest_first: bool
) -> list[Hole]:
    """Rows that are numbered without holes: from those of a page by time on, in both directions, until a row outside
    the range is seen on either side, or three answers have none.

    Raises:
        SourceError: a row that is another one each time.
    """
    for _ in range(TRIES):
        # Rows of another time, of a page that came before, would open a hole between the two.
        found.add(each for each in await by_time() if found.ts_from <= each.ts_event < found.ts_to)
        if found.rows:
            break
    if not found.rows:
        return []
    ended = {"behind": False, "before": False}
    barren: list[tuple[int, int]] = []
    while True:
        # At the side where nothing is expected one row is enough to show it.
        low, high = min(found.rows), max(found.rows)
        hole = _first_hole(found, barren)
        if hole is not None:
            first, last = hole[0], min(hole[1], hole[0] + page - 1)
            if not await _tried(found, ask, first, last):
                barren.append((first, last))
        elif not ended["behind"] and found.rows[high].ts_event < found.ts_to:
            ended["behind"] = not await _tried(found, ask, high + 1, high + (1 if newest_first else page))
        elif not ended["before"] and found.rows[low].ts_event >= found.ts_from and low > 1:
            ended["before"] = not await _tried(found, ask, max(1, low - (page if newest_first else 1)), low - 1)
        else:
            break
    return [_hole_between(found, first, last) for first, last in barren]


async def _tried(found: Gathered, ask: Asked, first: int, last: int) -> bool:
    for _ in range(TRIES):
        rows = [each for each in await ask(first, last) if first <= each.seq <= last]
        new = found.add(rows)
        _check_differing(found)
        if new:
            return True
    return False


def _first_hole(found: Gathered, barren: Sequence[tuple[int, int]]) -> tuple[int, int] | None:
    given_up = sum(last - first + 1 for first, last in barren)
    if max(found.rows) - min(found.rows) + 1 == len(found.rows) + given_up:
        return None
    keys = sorted(found.rows)
    known = dict(barren)
    for before, after in pairwise(keys):
        first = before + 1
        while first in known:
            first = known[first] + 1
        if first < after:
            return first, after - 1
    return None


def _hole_between(found: Gathered, first: int, last: int) -> Hole:
    before = max(key for key in found.rows if key < first)
    after = min(key for key in found.rows if key > last)
    return Hole(found.rows[before].ts_event, found.rows[after].ts_event + 1)


async def fill_events(found: Gathered, ask: Asked) -> list[Hole]:
    """Rows at no fixed times: asked for until two answers in a row bring nothing that was not there.

    Raises:
        SourceError: a row that is another one each time.
    """
    quiet = 0
    while quiet < TRIES - 1:
        rows = await ask(found.ts_from, found.ts_to)
        new = found.add(each for each in rows if found.ts_from <= each.ts_event < found.ts_to)
        _check_differing(found)
        quiet = 0 if new else quiet + 1
    return []


def _check_differing(found: Gathered) -> None:
    for key, times in found.differing.items():
        if times >= TRIES:
            raise SourceError(f"{found.kind.name} {key}: expected one row, the answers of the venue differ each time")


def _ranges(times: Sequence[int], step: int) -> list[Hole]:
    holes: list[Hole] = []
    for ts in times:
        if holes and holes[-1].ts_to == ts:
            holes[-1] = Hole(holes[-1].ts_from, ts + step)
        else:
            holes.append(Hole(ts, ts + step))
    return holes


__all__ = ["TRIES", "fill_events", "fill_grid", "fill_ids"]
