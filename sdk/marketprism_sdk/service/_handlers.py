"""Marks on the methods of a service that say what they handle."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from marketprism_sdk.messaging import CommandPolicy, Mode

F = TypeVar("F", bound=Callable[..., Any])


def rpc(method: str, *, raw: bool = False) -> Callable[[F], F]:
    """Serve `rpc.<service>.<method>` with this method, on every instance. `raw`: bytes in, bytes out."""
    return _mark("__rpc__", (method, raw))


def command(name: str, policy: CommandPolicy | None = None) -> Callable[[F], F]:
    """Do commands `cmd.<service>.<name>` with this method, tried again as the policy says."""
    return _mark("__command__", (name, policy or CommandPolicy()))


def event(service: str, name: str, *, mode: Mode = "broadcast") -> Callable[[F], F]:
    """Handle events `event.<service>.<name>` with this method, on every instance or on one of them."""
    return _mark("__event__", (service, name, mode))


def _mark(attribute: str, value: object) -> Callable[[F], F]:
    def mark(function: F) -> F:
        setattr(function, attribute, value)
        return function

    return mark


def marked(owner: object, attribute: str) -> Iterator[tuple[Any, Any]]:
    """(bound method, its mark) of every method that has the mark."""
    for name in dir(type(owner)):
        mark = getattr(getattr(type(owner), name, None), attribute, None)
        if mark is not None:
            yield getattr(owner, name), mark
