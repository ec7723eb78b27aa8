"""Every error code of JetStream, at every kind of call: a retry, a fence, or an error with its reason."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

import pytest
from nats.aio.msg import Msg

from marketprism_sdk.errors import Fenced, RevisionConflict, SdkError, StreamError, StreamMisconfigured, StreamMissing
from marketprism_sdk.nats.api_errors import MEANINGS, Meaning, meaning_of
from marketprism_sdk.nats.batch import AtomicBatch
from marketprism_sdk.nats.connection import Headers, NatsConnection
from marketprism_sdk.nats.jetstream import api, publish_ack
from marketprism_sdk.nats.kv import NatsKeyValue

# What nats-server 2.15 has; 10001 was never given out.
KNOWN = range(10002, 10227)


class Refusing(NatsConnection):
    """Answers every request with one error."""

    def __init__(self, code: int, status: int = 400) -> None:
        self.data = json.dumps({"error": {"code": status, "err_code": code, "description": "because of this"}}).encode()

    async def request(
        self, subject: str, payload: bytes, *, timeout_s: float, headers: Headers = None, **_: Any
    ) -> Msg:
        del payload, timeout_s, headers
        return Msg(_client=None, subject=subject, data=self.data)  # type: ignore[arg-type]

    async def publish(self, subject: str, payload: bytes, headers: Headers = None, reply: str = "") -> None:
        del subject, payload, headers, reply


EXPECTED: dict[Meaning, tuple[type[SdkError], bool]] = {
    Meaning.AGAIN: (StreamError, True),
    Meaning.FENCED: (Fenced, False),
    Meaning.MISSING: (StreamMissing, False),
    Meaning.ABSENT: (StreamError, False),
    Meaning.CONFIGURATION: (StreamMisconfigured, False),
    Meaning.FAULT: (StreamError, False),
}


async def _publish(connection: NatsConnection) -> Any:
    return await publish_ack(connection, "a", b"")


async def _batch(connection: NatsConnection) -> Any:
    batch = AtomicBatch(connection)
    await batch.add("a", b"")
    return await batch.commit("a", b"")


async def _ask(connection: NatsConnection) -> Any:
    return await api(connection, "CONSUMER.CREATE.S", {})


async def _put(connection: NatsConnection) -> Any:
    return await NatsKeyValue(connection, "b").put("k", b"")


@pytest.mark.parametrize("call", [_publish, _batch, _ask, _put])
@pytest.mark.parametrize("code", KNOWN)
async def test_each_code_ends_in_a_retry_a_fence_or_an_error_with_its_reason(code: int, call: Any) -> None:
    assert code in MEANINGS, "a code of the server that nobody has thought about"
    kind, retryable = EXPECTED[MEANINGS[code]]
    with pytest.raises(kind, match=rf"because of this \(error {code}\)") as caught:
        await call(Refusing(code))
    assert caught.value.retryable is retryable
    if MEANINGS[code] is not Meaning.FENCED:
        assert getattr(caught.value, "code", None) == code


async def test_a_fence_of_a_bucket_is_a_lost_compare_and_swap() -> None:
    with pytest.raises(RevisionConflict):
        await NatsKeyValue(Refusing(10071), "b").update("k", b"", 3)


def test_nothing_decided_is_never_final() -> None:
    for code in (10164, 10163, 10008, 10009, 10176, 10077, 10047, 10167):
        assert meaning_of(code) is Meaning.AGAIN


def test_no_room_is_final_where_a_stream_is_to_be_made() -> None:
    assert meaning_of(10047, 500, making=True) is meaning_of(10002, 400, making=True) is Meaning.CONFIGURATION


@pytest.mark.parametrize(
    ("status", "meaning"),
    [(503, Meaning.AGAIN), (500, Meaning.AGAIN), (429, Meaning.AGAIN), (404, Meaning.MISSING), (400, Meaning.FAULT)],
)
def test_a_code_of_a_later_server_is_judged_by_its_status(status: int, meaning: Meaning) -> None:
    assert meaning_of(10_999, status) is meaning


@dataclass
class Answers(NatsConnection):
    data: bytes = b""
    asked: list[str] = field(default_factory=list)

    async def request(
        self, subject: str, payload: bytes, *, timeout_s: float, headers: Headers = None, **_: Any
    ) -> Msg:
        del payload, timeout_s, headers
        self.asked.append(subject)
        return Msg(_client=None, subject=subject, data=self.data)  # type: ignore[arg-type]


@pytest.mark.parametrize("data", [b"", b"\xff", b"[]", b"{}", b"null", b'{"stream": "S"}'])
async def test_an_answer_that_is_none_is_an_error_that_shows_it(data: bytes) -> None:
    with pytest.raises(StreamError, match="expected a receipt, was b"):
        await publish_ack(Answers(data), "a", b"")
