"""Subjects of NATS: tokens, `*` for one of them, `>` for the rest."""

from __future__ import annotations

from functools import lru_cache


@lru_cache(maxsize=65_536)
def matches(pattern: str, subject: str) -> bool:
    """Whether a subject fits a pattern."""
    if pattern == subject:
        return True
    if "*" not in pattern and ">" not in pattern:
        return False
    wanted, tokens = pattern.split("."), subject.split(".")
    for place, token in enumerate(wanted):
        if token == ">":
            return len(tokens) > place
        if place >= len(tokens) or token not in ("*", tokens[place]):
            return False
    return len(wanted) == len(tokens)


def parse_headers(raw: bytes) -> dict[str, str]:
    """Names and values of a header block; a status line gives `Status`."""
    lines = raw.decode().split("\r\n")
    found: dict[str, str] = {}
    status = lines[0].removeprefix("NATS/1.0").strip()
    if status:
        found["Status"], _, found["Description"] = status.partition(" ")
    for line in lines[1:]:
        name, colon, value = line.partition(":")
        if colon:
            found[name] = value.strip()
    return found


def make_headers(values: dict[str, str], status: str = "") -> bytes:
    """A header block."""
    lines = [f"NATS/1.0 {status}" if status else "NATS/1.0", *(f"{name}: {value}" for name, value in values.items())]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()
