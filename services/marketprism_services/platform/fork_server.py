"""A process that has loaded what services need, and becomes one of them; `launcher.ForkLauncher` starts it."""

from __future__ import annotations

import contextlib
import json
import os
import runpy
import socket
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import NoReturn, TypedDict

from marketprism_services.forking.server import serve

# What each service loads at its start, at the latest when it connects.
_MODULES = (
    "aiohttp.web",
    "uvloop",
    "nats",
    "tenacity",
    "chinese_calendar",
    "marketprism_sdk.nats._guarded_client",
    "marketprism_services.cli.app",
    "marketprism_services.cli.notices",
    "marketprism_services.cli.run",
    "marketprism_services.platform.container",
    "marketprism_services.platform.runtime",
)


class Request(TypedDict):
    """What is to be started; the descriptor of its output comes beside it."""

    arguments: list[str]
    environment: dict[str, str]


def preload() -> None:
    """Import what the services of `up` import, except what only one of them is heavy with (the embedded store)."""
    from marketprism_services.platform import catalogue  # noqa: PLC0415 (the module is imported by the launcher, too)

    for name in (*_MODULES, *(catalogue.row_of(service).wiring for service in catalogue.in_up())):
        import_module(name)


def _become(message: bytes, descriptors: Sequence[int]) -> NoReturn:
    """This process is `marketprism <arguments>` now, and ends as that does."""
    request: Request = json.loads(message)
    (output,) = descriptors
    nothing = os.open(os.devnull, os.O_RDONLY)
    for source, target in ((nothing, 0), (output, 1), (output, 2)):
        os.dup2(source, target)
    os.close(nothing)
    os.close(output)
    arguments = request["arguments"]
    os.environ.update(request["environment"])
    sys.argv = ["marketprism", *arguments]
    with contextlib.suppress(ImportError):  # a name for people who look at processes
        from setproctitle import setproctitle  # noqa: PLC0415

        setproctitle(" ".join([sys.executable, "-m", "marketprism_services", *arguments]))
    runpy.run_module("marketprism_services", run_name="__main__")
    raise SystemExit(0)


if __name__ == "__main__":
    serve(socket.socket(fileno=int(sys.argv[1])), preload, _become)
