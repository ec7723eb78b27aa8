"""A replica that is behind, as whoever reads by direct get meets it."""

from __future__ import annotations

import json
from typing import Any

from nats.aio.msg import Msg

from marketprism_sdk.nats.connection import Headers, NatsConnection

_GET = "$JS.API.DIRECT.GET."


class Behind(NatsConnection):
    """Direct gets of a stream that stands in `ends` are answered as by a replica that has it up to there and no further.

    Everything else, what only the stream's leader answers among it, is as it is. A message that was replaced since is
    not there at all: the server that answers has the newest one of each subject only.
    """

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self.ends: dict[str, int] = {}
        self.late = 0  # answers that were cut

    def _cut(self, subject: str, payload: bytes) -> bytes:
        stream = subject.removeprefix(_GET)
        if not subject.startswith(_GET) or stream not in self.ends:
            return payload
        self.late += 1
        body = json.loads(payload)
        wanted = body.get("multi_last") or [body["last_by_subj"]]
        return json.dumps({"multi_last": wanted, "up_to_seq": self.ends[stream]}).encode()

    async def publish(self, subject: str, payload: bytes, headers: Headers = None, reply: str = "") -> None:
        """As the connection; a question for a batch reaches the replica."""
        await super().publish(subject, self._cut(subject, payload), headers, reply)

    async def request(self, subject: str, payload: bytes, **options: Any) -> Msg:
        """As the connection; a question for one message reaches the replica."""
        return await super().request(subject, self._cut(subject, payload), **options)


async def behind(url: str) -> Behind:
    """A connection that is behind in nothing yet."""
    found = await Behind.open(url, name="behind")
    assert isinstance(found, Behind)
    return found
