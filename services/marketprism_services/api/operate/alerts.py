"""What somebody should look at, found in what was read of the system."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from marketprism_sdk.messaging import DEAD_LETTERS

Row = dict[str, object]


def alerts_of(found: Mapping[str, object]) -> list[Row]:
    """One row for each thing, errors first: its level, kind, what it is about, and a sentence."""
    rows = [*_of_leaders(found), *_of_services(found), *_of_instances(found), *_of_shares(found), *_of_others(found)]
    return sorted(rows, key=lambda each: (str(each["level"]), str(each["kind"]), str(each["what"])))


def _alert(level: str, kind: str, what: str, text: str) -> Row:
    return {"level": level, "kind": kind, "what": what, "text": text}


def _rows(found: Mapping[str, object], part: str) -> list[Row]:
    rows = found.get(part)
    return rows if isinstance(rows, list) else []


def _of_leaders(found: Mapping[str, object]) -> Iterator[Row]:
    for row in _rows(found, "leaders"):
        if row["problem"]:
            yield _alert("error", "leader", f"{row['service']}.{row['group']}", str(row["problem"]))


def _of_services(found: Mapping[str, object]) -> Iterator[Row]:
    for row in _rows(found, "services"):
        if row["without"]:
            yield _alert("error", "service", str(row["service"]), f"{row['service']}: none is active, {row['without']}")


def _of_instances(found: Mapping[str, object]) -> Iterator[Row]:
    for row in _rows(found, "instances"):
        health, what = str(row["health"]), f"{row['service']} {row['instance']}"
        if health in ("gone", "no answer", "unhealthy"):
            yield _alert("error", "instance", what, f"{what}: {health}: {row['reason']}")
        elif health == "degraded":
            yield _alert("warning", "instance", what, f"{what}: {health}: {row['reason']}")


def _of_shares(found: Mapping[str, object]) -> Iterator[Row]:
    for row in _rows(found, "shards"):
        unowned, service = row["unowned"], str(row["service"])
        if isinstance(unowned, list) and unowned:
            yield _alert("error", "shards", service, f"{service}: partitions {unowned} are held by nobody")


def _of_others(found: Mapping[str, object]) -> Iterator[Row]:
    for row in _rows(found, "streams"):
        if row["stream"] == DEAD_LETTERS and row["messages"]:
            yield _alert("warning", "dead_letters", DEAD_LETTERS, f"{row['messages']} commands could not be done")
    for row in _rows(found, "refused"):
        what = str(row["service"])
        yield _alert("warning", "interface", what, f"{what}: what it offers is not served: {row['why']}")
    missing = found.get("missing")
    for name, why in missing.items() if isinstance(missing, dict) else ():
        yield _alert("error", "missing", str(name), f"{name}: {why}")
