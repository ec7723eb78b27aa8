"""`docs/reference/events.md`: every event of the platform, with its fields."""

from __future__ import annotations

import inspect
import sys
from dataclasses import fields

from marketprism_application.contracts.kinds import EVENT
from marketprism_domain.events.registry import EVENTS, ROUTINE
from tests.support.reference.markdown import code, table
from tests.support.reference.tables import comments_of, meaning_of
from tests.support.reference.texts import documented, first_sentence, shown

_FIELDS = ("Field", "Type", "Meaning")


def _of(event: type) -> str:
    text = documented(event.__doc__) if not (event.__doc__ or "").startswith(f"{event.__name__}(") else ""
    comments = comments_of(event)
    rows = [(code(each.name), code(str(each.type)), shown(comments.get(each.name, ""))) for each in fields(event)]
    sampled = "Routine: published as samples." if event.__name__ in ROUTINE else ""
    parts = (f"### {event.__name__}", text, sampled, table(_FIELDS, rows) if rows else "It has no fields of its own.")
    return "\n\n".join(part for part in parts if part)


def events_page() -> str:
    """The page."""
    groups: dict[str, list[type]] = {}
    for event in EVENTS.values():
        groups.setdefault(event.__module__, []).append(event)
    parts = []
    for module, events in groups.items():
        topic = module.rpartition(".")[2].replace("_", " ").capitalize()
        about = shown(first_sentence(inspect.getdoc(sys.modules[module]) or ""))
        parts += [f"## {topic}\n\n{about}", *map(_of, events)]
    common = [(code(name), shown(meaning_of(EVENT, name))) for name in EVENT.model._fields]
    return f"""# Events of the platform

What happened, in the past tense: {len(EVENTS)} events, on `market.event.<name>` ([subjects.md](../subjects.md)), in the table `market_events`
([tables.md](../tables.md)), at `GET /api/v1/events` and on the channel `system.events` of the [live stream](../live-stream.md). A repeat has the
same `event_id`. An event is one record:

{table(("Field", "Meaning"), common)}

`data` holds the fields that are listed here with each event. Events of a single tick are counted and published as samples.
Lines of logs are another list: [log-events.md](../log-events.md).

This page is made of the code by `make docs`.

{chr(10).join(f"{part}{chr(10)}" for part in parts).rstrip()}
"""
