"""Which form of the domain's hot modules runs: compiled, or as Python. All of them come in one, or none."""

from __future__ import annotations

from importlib.machinery import EXTENSION_SUFFIXES
from typing import TYPE_CHECKING, Literal

from marketprism_domain.ticks import validation

if TYPE_CHECKING:  # heavy with its HTTP server; the doctor has none
    from marketprism_sdk.service import Service

Core = Literal["compiled", "pure"]


def core_in_use() -> Core:
    """The core of this process."""
    return "compiled" if (validation.__file__ or "").endswith(tuple(EXTENSION_SUFFIXES)) else "pure"


def show_core(service: Service) -> None:
    """Let a service's status and metrics say which core it runs on."""
    core = core_in_use()
    service.http.status(lambda: {"core": core})
    service.metrics.gauge("core_info", 1, core=core)


__all__ = ["Core", "core_in_use", "show_core"]
