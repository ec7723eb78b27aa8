"""Enough file descriptors for this process and the services that it starts."""

from __future__ import annotations

import resource

from marketprism_services.settings.errors import SettingsError

FEWEST = 256  # the embedded store alone has some 150 files open
FEWEST_WITHOUT_STORE = 64
FEWEST_MORE = 16  # for each further service of a process
_MOST = 65_536


def limit() -> int:
    """How many this process may have open, after it was raised to what the system lets it have; children inherit it.

    Shells give 256 or 1 024 and let a program take more.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = _MOST if hard == resource.RLIM_INFINITY else min(hard, _MOST)
    if soft == resource.RLIM_INFINITY or soft >= most:
        return soft if soft != resource.RLIM_INFINITY else _MOST
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    except (OSError, ValueError):  # a system with another bound of its own
        return soft
    return most


def check_limit(fewest: int = FEWEST) -> None:
    """Raise the limit; nothing is started that would fail at its first files.

    Raises:
        SettingsError: the system lets it have fewer.
    """
    if (found := limit()) < fewest:
        raise SettingsError(
            f"file descriptors: expected at least {fewest} for this process, was {found}: "
            "raise the limit, as with `ulimit -n 4096`"
        )
