"""Where the API's threads meet the event loop."""

from __future__ import annotations

from typing import NamedTuple

from marketprism_application.gateway.thread_queue import ThreadQueue


class Callback(NamedTuple):
    """What the API said: the name of the callback, its data and its error, and when it came (nanoseconds UTC).

    `side` is md or td, `front` the number of the connection it belongs to.
    """

    side: str
    front: int
    name: str
    data: dict[str, object]
    error: dict[str, object]
    last: bool
    ts_recv: int


class Bridge(ThreadQueue[Callback, str]):
    """Callbacks; where there is no room further ticks are dropped, named by their instrument.

    What is no tick is kept even then: a lost answer to a login would stop the conversation.
    """

    def put(self, callback: Callback, *, droppable: bool = False) -> None:
        """Hand one thing over, from any thread."""
        if droppable and self.is_full:
            self.drop(str(callback.data.get("InstrumentID")), callback.ts_recv)
        else:
            self.hand_over(callback)
