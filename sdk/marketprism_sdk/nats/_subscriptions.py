"""Subscriptions of nats-py whose messages are handed on at once, by a plain callback."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import TYPE_CHECKING

from marketprism_sdk.observability.logger import Logger, get_logger

if TYPE_CHECKING:
    from nats.aio.msg import Msg
    from nats.aio.subscription import Subscription

log: Logger = get_logger(__name__)


class _Direct:
    """Stands where nats-py has a subscription's queue, and hands the message on at once."""

    def __init__(self, callback: Callable[[Msg], None]) -> None:
        self._callback = callback

    def put_nowait(self, message: Msg) -> None:
        try:
            self._callback(message)
        except Exception:
            log.exception("subscription.callback_failed", subject=message.subject)

    def empty(self) -> bool:
        return True

    def qsize(self) -> int:
        return 0

    async def join(self) -> None:
        return None


_NOBODY = _Direct(lambda _: None)


def hand_on(subscription: Subscription, callback: Callable[[Msg], None]) -> None:
    """Call `callback` with each message, as soon as it is read."""
    subscription._pending_queue = _Direct(callback)


async def end(subscription: Subscription) -> None:
    """Hear no more of it. A subscription and its iterator name one another: what they hold would wait for the
    collector of cycles, and is let go here."""
    import nats.errors  # noqa: PLC0415 (its import takes a second)

    try:
        with contextlib.suppress(nats.errors.Error):
            await subscription.unsubscribe()
    finally:
        subscription._pending_queue, subscription._message_iterator = _NOBODY, None


__all__ = ["end", "hand_on"]
