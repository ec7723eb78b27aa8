"""`marketprism health` without the command line's library, which takes longer to load than the question takes."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from marketprism_services.platform import own_health

OK, FAILED, USAGE = 0, 1, 2  # of `platform.exits`, which loads much
_LANGUAGES = ("MARKETPRISM_LANG", "LANGUAGE", "LC_ALL", "LC_MESSAGES", "LANG")


def check(arguments: Sequence[str]) -> int | None:
    """Ask, say what was found, and return the exit code; None where the arguments are not those of a plain question,
    such as `--help`: the command itself answers then."""
    given = _understood(arguments)
    if given is None:
        return None
    service, url, ready, timeout_s = given
    try:
        urls = [url] if url else own_health.urls_of(service, os.environ, own_health.command_of_first())
        found = [own_health.ask(each, ready=ready, timeout_s=timeout_s) for each in urls]
    except own_health.NotKnown as error:
        print(_translated(f"error: {error}"), file=sys.stderr)
        return USAGE
    for each in found:
        print(_translated(each.text), file=sys.stdout if each.well else sys.stderr)
    return OK if all(each.well for each in found) else FAILED


def _understood(arguments: Sequence[str]) -> tuple[str, str, bool, float] | None:
    """Service, URL, whether readiness is asked for, and seconds."""
    service, url, ready, timeout_s = "", "", False, own_health.ANSWER_S
    left = list(arguments)
    while left:
        word = left.pop(0)
        name, has_value, value = word.partition("=")
        if word == "--ready":
            ready = True
        elif name in ("--url", "--timeout-s") and (has_value or left):
            value = value if has_value else left.pop(0)
            if name == "--url":
                url = value
            else:
                try:
                    timeout_s = float(value)
                except ValueError:
                    return None
                if not 0.1 <= timeout_s <= 600.0:
                    return None
        elif word and not word.startswith("-") and not service:
            service = word
        else:
            return None
    return service, url, ready, timeout_s


def _translated(text: str) -> str:
    """In the user's language; the texts of another one are loaded only where something asks for it."""
    if not any(os.environ.get(name, "").lower().startswith("zh") for name in _LANGUAGES):
        return text
    from marketprism_services.cli.language.catalogue import spoken  # noqa: PLC0415 (costs more than the question)

    return spoken().translate(text)


__all__ = ["FAILED", "OK", "USAGE", "check"]
