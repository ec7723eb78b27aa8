"""What may become of a stream that is there when a program asks for it with its own configuration.

Two programs with other settings, or of other versions, use the same streams. So a stream only ever gets more: more
replicas, more subjects, longer limits, abilities that it did not have. What would take something away stays as it is
and is told. What cannot be lived with is an error.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, NamedTuple

from marketprism_sdk.errors import ConfigurationError, StreamMisconfigured

SCHEMA = "marketprism.schema"  # in a stream's metadata: the version of what is written into it
PRODUCT = "marketprism.product"
SCHEMA_OF_BUCKETS = 1

_UNLIMITED = float("inf")
_LIMITS = {"max_age", "max_bytes", "max_msgs", "max_msgs_per_subject", "duplicate_window", "num_replicas"}
_ABILITIES = {"allow_direct", "allow_atomic", "allow_rollup_hdrs", "allow_msg_ttl"}
_OF_ITS_MAKER = {"retention"}  # a queue is no log


def identity(schema: int = SCHEMA_OF_BUCKETS, **more: str) -> dict[str, str]:
    """Metadata of a stream: whose it is and how it is written. `more` must be the same for everybody."""
    return {PRODUCT: "marketprism", SCHEMA: str(schema), **{f"marketprism.{name}": text for name, text in more.items()}}


class Adapted(NamedTuple):
    """`config` to write, None when nothing is to be changed; `notes` on what was changed or left for a reason."""

    config: dict[str, Any] | None
    notes: tuple[str, ...]


def adapt(current: Mapping[str, Any], wanted: Mapping[str, Any], lower: Collection[str] = ()) -> Adapted:
    """The configuration of a stream that is there, for a program that wants `wanted`.

    `lower` names limits that may be made smaller as well.

    Raises:
        ConfigurationError: the stream is of a newer version, or is written in a way that this program does not write.
        StreamMisconfigured: it is another kind of stream.
    """
    changed: dict[str, Any] = {}
    notes: list[str] = []
    for key, want in wanted.items():
        have = current.get(key)
        if have == want:
            continue
        if key in _LIMITS:
            _limit(key, have, want, lower, changed, notes)
        elif key == "metadata":
            changed[key] = _metadata(wanted["name"], have or {}, want)
        elif key == "subjects":
            changed[key] = have if have and set(want) <= set(have) else sorted({*want, *(have or ())})
        else:
            _other(wanted["name"], key, have, want, changed, notes)
    changed = {key: value for key, value in changed.items() if value != current.get(key)}
    if not changed:
        return Adapted(None, tuple(notes))
    config = {**current, **changed}
    if config.get("max_age"):
        config["duplicate_window"] = min(config.get("duplicate_window", 0), config["max_age"])
    return Adapted(config, tuple(notes))


def _other(name: str, key: str, have: Any, want: Any, changed: dict[str, Any], notes: list[str]) -> None:
    if key in _ABILITIES or have is None:
        if want:
            changed[key] = want
    elif key in _OF_ITS_MAKER:
        raise StreamMisconfigured(f"stream {name}: expected {key} {want}, was {have}")
    else:
        notes.append(f"{key} stays {have!r}, {want!r} was asked for")


def _limit(key: str, have: Any, want: Any, lower: Collection[str], changed: dict[str, Any], notes: list[str]) -> None:
    """More is taken; less only where it is allowed, or where bytes had no bound at all."""
    if _size(key, want) > _size(key, have):
        changed[key] = want
    elif key in lower or (key == "max_bytes" and _size(key, have) == _UNLIMITED):
        changed[key] = want
        notes.append(f"{key} becomes {want}, was {have}")
    else:
        notes.append(f"{key} stays {have}, {want} was asked for: nothing is lowered")


def _size(key: str, value: Any) -> float:
    """A limit as a number; none is infinite."""
    number = int(value or 0)
    if key in ("num_replicas", "duplicate_window"):
        return number
    return number if number > 0 else _UNLIMITED


def _metadata(name: str, have: Mapping[str, str], want: Mapping[str, str]) -> dict[str, str]:
    """The server's own entries and those of others stay."""
    for key, text in want.items():
        there = have.get(key)
        if there is None or there == text:
            continue
        if key != SCHEMA:
            raise ConfigurationError(
                f"stream {name}: expected {key} {text}, was {there}: every program on these streams needs the same"
            )
        if not there.isdecimal() or int(there) > int(text):
            raise ConfigurationError(
                f"stream {name}: expected at most schema version {text}, was {there}: it is written by a newer "
                f"program, and this one would write over it; install the newer version"
            )
    return {**have, **want}
