"""A process that has loaded what services need, and becomes one of them at a word: a fork takes milliseconds.

Started by `launcher.ForkLauncher`, which speaks to it over a socket: one JSON message a request, with the descriptor of
the service's log. Back come `{"pid"}` when it was started, `{"error"}` when it could not be, `{"pid", "code"}` when it
ended. It has one thread and no event loop, so that a fork takes nothing along that would not survive it. When its
parent goes, the socket ends, and so do it and its services.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import runpy
import select
import signal
import socket
import sys
from importlib import import_module
from typing import NoReturn, TypedDict

from marketprism_sdk.service import die_with_parent

MAX_MESSAGE = 128 * 1024  # less than what the kernel takes in one piece
_MODULES = (
    "aiohttp.web",
    "uvloop",
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
    gc.collect()
    gc.freeze()  # what is there now is garbage for nobody: its pages stay shared


def serve(channel: socket.socket) -> None:
    """Start services and say when they end, until the other side is gone."""
    # Whoever stops a pipeline may signal each of its processes. They act upon it, this one goes with its parent.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    preload()
    woken, wake = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    while True:
        ready, _, _ = select.select([channel.fileno(), woken], [], [])
        if woken in ready:
            with contextlib.suppress(BlockingIOError):
                os.read(woken, 4096)
        if channel.fileno() in ready:
            message, descriptors, _, _ = socket.recv_fds(channel, MAX_MESSAGE, 1)
            if not message:
                return
            request: Request = json.loads(message)
            output = descriptors[0]
            parent = os.getpid()
            try:
                pid = os.fork()
            except OSError as error:  # no room for another process: the others go on
                os.close(output)
                _tell(channel, error=error.strerror or repr(error))
                continue
            if not pid:
                signal.set_wakeup_fd(-1)
                for descriptor in (channel.detach(), woken, wake):
                    os.close(descriptor)
                _become(request, output, parent)
            os.close(output)
            _tell(channel, pid=pid)
        _report(channel)


def _report(channel: socket.socket) -> None:
    """Tell of every child that ended."""
    with contextlib.suppress(ChildProcessError):
        while (ended := os.waitpid(-1, os.WNOHANG))[0]:
            code = os.waitstatus_to_exitcode(ended[1])
            _tell(channel, pid=ended[0], code=code)


def _tell(channel: socket.socket, **report: int | str) -> None:
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # the other side is gone: the next read says so
        channel.send(json.dumps(report).encode())


def _become(request: Request, output: int, parent: int) -> NoReturn:
    """This process is `marketprism <arguments>` now, and ends as that does."""
    os.setsid()
    if (arrange := die_with_parent()) is not None:
        arrange()
    if os.getppid() != parent:
        os._exit(1)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGCHLD):
        signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
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
    serve(socket.socket(fileno=int(sys.argv[1])))
