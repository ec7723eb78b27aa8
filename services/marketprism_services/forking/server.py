"""The inside of a fork server: a process that has loaded something, and becomes a child at a word in milliseconds.

It is started by `starting.ForkServer`, which speaks to it over a socket: one message a child, with the descriptors that
it gets. Back come `{"pid"}` when it was started, `{"error"}` when it could not be, `{"pid", "code"}` when it ended. It
has one thread and no event loop, so that a fork takes nothing along that would not survive it. When its parent goes,
the socket ends, and so do it and its children.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import select
import signal
import socket
from collections.abc import Callable, Sequence
from typing import NoReturn, TypeAlias

from marketprism_sdk.service import die_with_parent

MAX_MESSAGE = 128 * 1024  # less than what the kernel takes in one piece
MOST_DESCRIPTORS = 4

Become: TypeAlias = Callable[[bytes, Sequence[int]], NoReturn]


def serve(channel: socket.socket, preload: Callable[[], None], become: Become) -> None:
    """Start children and say when they end, until the other side is gone. A child calls `become` with the message that
    asked for it and its descriptors; it is a session of its own, and ends with this process."""
    # Whoever stops a program may signal each of its processes. The children act upon it, this one goes with its parent.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    preload()
    gc.collect()
    gc.freeze()  # what is there now is garbage for nobody: its pages stay shared
    woken, wake = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    waiting = select.poll()  # takes a descriptor of any number: a parent with a thousand of them gives ours a high one
    for each in (channel.fileno(), woken):
        waiting.register(each, select.POLLIN)
    while True:
        ready = [descriptor for descriptor, _ in waiting.poll()]
        if woken in ready:
            with contextlib.suppress(BlockingIOError):
                os.read(woken, 4096)
        if channel.fileno() in ready:
            message, descriptors, _, _ = socket.recv_fds(channel, MAX_MESSAGE, MOST_DESCRIPTORS)
            if not message:
                return
            parent = os.getpid()
            try:
                pid = os.fork()
            except OSError as error:  # no room for another process: the others go on
                _close(descriptors)
                _tell(channel, error=error.strerror or repr(error))
                continue
            if not pid:
                signal.set_wakeup_fd(-1)
                _close((channel.detach(), woken, wake))
                _begin(parent)
                become(message, descriptors)
            _close(descriptors)
            _tell(channel, pid=pid)
        _report(channel)


def _begin(parent: int) -> None:
    """A child has its own session, ends with its parent, and takes signals as any program does."""
    os.setsid()
    if (arrange := die_with_parent()) is not None:
        arrange()
    if os.getppid() != parent:
        os._exit(1)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGCHLD):
        signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)


def _report(channel: socket.socket) -> None:
    """Tell of every child that ended."""
    with contextlib.suppress(ChildProcessError):
        while (ended := os.waitpid(-1, os.WNOHANG))[0]:
            code = os.waitstatus_to_exitcode(ended[1])
            _tell(channel, pid=ended[0], code=code)


def _tell(channel: socket.socket, **report: int | str) -> None:
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # the other side is gone: the next read says so
        channel.send(json.dumps(report).encode())


def _close(descriptors: Sequence[int]) -> None:
    for descriptor in descriptors:
        os.close(descriptor)


__all__ = ["MAX_MESSAGE", "MOST_DESCRIPTORS", "Become", "serve"]
