"""What a process does in the name of one of its services, where it hosts several.

What a task does is done in the name of the service that the task was begun for: its lines, its spans. A process of one
service needs none of this: everything is that one's.
"""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING

from marketprism_sdk.observability._recent_logs import RecentLogs

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider


class Hosted:
    """One service among several of a process. `leads`: it also shows what is the process's, which is counted once.

    `level` is the lowest of its lines, by number; `recent` holds its newest ones; `provider` records its spans, None
    where nobody does.
    """

    def __init__(self, service: str, *, leads: bool, recent: RecentLogs) -> None:
        self.service = service
        self.leads = leads
        self.recent = recent
        self.level = 0
        self.provider: TracerProvider | None = None


_current: ContextVar[Hosted | None] = ContextVar("hosted", default=None)


def hosted() -> Hosted | None:
    """The service in whose name this runs; None where the process hosts one alone, or for what is the process's."""
    return _current.get()


def shows_process() -> bool:
    """Whether what runs here shows what belongs to the whole process, as its memory."""
    here = _current.get()
    return here is None or here.leads


def host(service: Hosted) -> None:
    """What this context does from now on, with everything that it begins, is done in the name of a service."""
    _current.set(service)
