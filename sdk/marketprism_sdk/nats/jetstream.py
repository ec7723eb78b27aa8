"""JetStream by its JSON API: the options we need are newer than the client library's classes."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Awaitable, Callable, Collection
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias, TypeVar

from marketprism_sdk.errors import NoResponders, SdkError, StreamError, StreamMisconfigured, StreamMissing
from marketprism_sdk.nats.api_errors import (
    DUPLICATE_IN_BATCH,
    NAME_IN_USE,
    NO_ROOM,
    STREAM_NOT_FOUND,
    UNSETTLED,
    error_of,
)
from marketprism_sdk.nats.connection import Headers, NatsConnection
from marketprism_sdk.nats.stream_config import adapt
from marketprism_sdk.observability import Sampled
from marketprism_sdk.observability.logger import Logger, get_logger
from marketprism_sdk.resilience.retrying import Backoff, retry

if TYPE_CHECKING:
    from nats.aio.msg import Msg

T = TypeVar("T")
ServerJson: TypeAlias = dict[str, Any]  # a request or an answer of the server, in its own form

log: Logger = get_logger(__name__)

API_TIMEOUT_S = 5.0
ENSURE_S = 60.0  # several elections of a stream's leader
# A question that meets a stream without a leader is answered by nobody, and the leader may be there a moment later.
_LOOKS, _ASK_AGAIN_S = ("STREAM.INFO.", "STREAM.NAMES", "CONSUMER.INFO.", "STREAM.MSG.GET."), 0.5
_WHY_S = 1.0  # whoever is told why a message was not taken wants to try again before long
_AGAIN = Backoff(first_s=0.25, longest_s=0.25)
NO_MESSAGE_FOUND = 10037
NOT_FOUND = {10059, 10014, NO_MESSAGE_FOUND}
_PLACEMENTS, _PLACE_AGAIN_S = 8, 2.0  # nats-server tells every ten seconds what is reserved
_CREATIONS = 40  # ten seconds: whoever tries how much room there is has it for milliseconds at a time
_noted: set[tuple[str, str]] = set()  # what was said of a stream by this process; once is enough


class StoredMessage(NamedTuple):
    """A message of a stream; `pending` is how many more the consumer has, `trace` is there on a sample of messages."""

    subject: str
    seq: int
    data: bytes
    reply: str = ""
    pending: int = 0
    trace: Sampled | None = None

    @property
    def ts(self) -> int:
        """When the server took it, nanoseconds UTC; 0 of a message that did not come by a consumer."""
        return int(self.reply.split(".")[-2]) if self.reply.startswith("$JS.ACK.") else 0

    @property
    def consumer(self) -> str:
        """The consumer by which it came, empty if by none."""
        return self.reply.split(".")[-6] if self.reply.startswith("$JS.ACK.") else ""


class PubAck(NamedTuple):
    """JetStream's receipt."""

    stream: str
    seq: int
    duplicate: bool = False


async def api(
    connection: NatsConnection, name: str, body: ServerJson | None = None, timeout_s: float = API_TIMEOUT_S
) -> ServerJson:
    """One API request; what only looks is asked again each half second until somebody has answered.

    Raises:
        StreamMissing: there is no such stream or consumer. StreamMisconfigured: it cannot work as the server is set
        up. StreamError: JetStream's other errors; retryable where the same request can succeed later.
        DeadlineExceeded, NotConnected: no answer.
    """
    payload = json.dumps(body).encode() if body is not None else b""
    try:
        subject, again_s = f"$JS.API.{name}", _ASK_AGAIN_S if name.startswith(_LOOKS) else None
        message = await connection.request(subject, payload, timeout_s=timeout_s, again_s=again_s)
    except NoResponders as error:
        raise StreamError("JetStream does not answer: is it enabled?", retryable=True) from error
    try:
        answer: ServerJson = json.loads(message.data)
        refusal = answer.get("error")
    except (ValueError, AttributeError) as error:
        raise StreamError(f"{name}: expected an answer of JetStream, was {message.data[:200]!r}") from error
    if refusal:
        raise error_of(refusal, name, making=name.startswith(("STREAM.CREATE.", "STREAM.UPDATE.")))
    return answer


async def answered(ask: Callable[[], Awaitable[T]], stream: str, within_s: float = ENSURE_S) -> T:
    """The answer to a question that may be asked twice.

    A replicated stream that is electing its leader (5 to 10 s in nats-server) answers nothing, so the question is
    asked again until `within_s` is over.

    Raises:
        StreamError: refused for good. DeadlineExceeded, NotConnected: no answer within `within_s`.
    """

    def tell(attempt: int, _pause_s: float, error: Exception) -> None:
        if attempt == 1:
            log.warning("stream.unreachable", stream=stream, error=str(error), detail="asking again")

    return await retry(ask, attempts=None, backoff=_AGAIN, on_retry=tell, deadline_s=within_s)


async def ensure_stream(
    connection: NatsConnection, config: ServerJson, within_s: float = ENSURE_S, lower: Collection[str] = ()
) -> ServerJson:
    """Make the stream, or give one that is there what it lacks of this configuration; returns its info.

    For programs that write to it: whoever only reads opens what is there. Nothing is taken away from a stream that is
    there (see `stream_config`), but for the limits named in `lower`. Asking twice is safe.

    Raises:
        ConfigurationError: it is written by a newer program, or in another way than this program writes.
        StreamError: another stream has its subjects, there is no room for it, or it is another kind of stream.
        DeadlineExceeded: no answer within `within_s`.
    """
    return await answered(lambda: _ensure(connection, config, lower), config["name"], within_s)


async def _ensure(connection: NatsConnection, config: ServerJson, lower: Collection[str]) -> ServerJson:
    name = config["name"]
    try:
        info = await api(connection, f"STREAM.INFO.{name}")
    except StreamMissing:
        try:
            return await _create(connection, config)
        except StreamError as error:
            if error.code != NAME_IN_USE:
                raise
        info = await api(connection, f"STREAM.INFO.{name}")  # somebody else was quicker, with other settings
    adapted = adapt(info["config"], config, lower)
    for note in adapted.notes:
        _tell(name, note)
    if adapted.config is None:
        return info
    # What was made and deleted a moment ago still counts as taken where replicas are placed, until servers tell again.
    raised = int(adapted.config.get("num_replicas", 1)) > int(info["config"].get("num_replicas", 1))
    tries = _PLACEMENTS if raised else 1
    for attempt in range(1, tries + 1):
        try:
            return await api(connection, f"STREAM.UPDATE.{name}", adapted.config)
        except StreamMisconfigured as error:
            if error.code not in NO_ROOM:
                raise
            if attempt == tries:
                _tell(name, f"its bound stays {info['config'].get('max_bytes')}: {error}")
        await asyncio.sleep(_PLACE_AGAIN_S)
    kept = {key: info["config"].get(key) for key in ("max_bytes", "num_replicas")}
    return await api(connection, f"STREAM.UPDATE.{name}", {**adapted.config, **kept})


async def _create(connection: NatsConnection, config: ServerJson) -> ServerJson:
    """Make it. One without a bound asks for no room: if there is none, somebody is just trying how much there is."""
    tries = 1 if config.get("max_bytes", -1) > 0 else _CREATIONS
    while True:
        tries -= 1
        try:
            return await api(connection, f"STREAM.CREATE.{config['name']}", config)
        except StreamMisconfigured as error:
            if error.code not in NO_ROOM or tries == 0:
                raise
        await asyncio.sleep(_AGAIN.first_s)


def _tell(stream: str, note: str) -> None:
    if (stream, note) not in _noted:
        _noted.add((stream, note))
        log.warning("stream.misconfigured", stream=stream, note=note)


async def stream_info(connection: NatsConnection, name: str, within_s: float = ENSURE_S) -> ServerJson:
    """Configuration, state and creation time, as whoever answers has them.

    While a replicated stream has no leader each of its members answers, and one that is behind has an old state:
    where something is concluded from that, ask `leader_info`.

    Raises:
        StreamError: there is no such stream. DeadlineExceeded, NotConnected: no answer within `within_s`.
    """
    return await answered(lambda: api(connection, f"STREAM.INFO.{name}"), name, within_s)


def is_of_leader(info: ServerJson) -> bool:
    """Whether it was the stream's leader who gave this information, not some member while there is none."""
    cluster = info.get("cluster")  # a server alone says nothing of one, or names itself
    return not cluster or bool(cluster.get("leader"))


async def leader_info(
    connection: NatsConnection, name: str, within_s: float = ENSURE_S, body: ServerJson | None = None
) -> ServerJson:
    """`stream_info` as the stream's leader has it; one that is electing its leader is asked again.

    Raises:
        StreamError: there is no such stream; one with `retryable`: it has no leader within `within_s`.
        DeadlineExceeded, NotConnected: no answer within `within_s`.
    """

    async def ask() -> ServerJson:
        info = await api(connection, f"STREAM.INFO.{name}", body)
        if not is_of_leader(info):
            raise StreamError(f"stream {name}: expected an answer of its leader, it has none now", retryable=True)
        return info

    return await answered(ask, name, within_s)


async def delete_stream(connection: NatsConnection, name: str) -> None:
    """Remove a stream; one that is not there is fine."""
    try:
        await api(connection, f"STREAM.DELETE.{name}")
    except StreamError as error:
        if error.code not in NOT_FOUND:
            raise


async def direct_get_last(connection: NatsConnection, stream: str, subject: str) -> StoredMessage | None:
    """Last message of a subject (wildcards allowed), None when there is none."""
    body = json.dumps({"last_by_subj": subject}).encode()
    return await _direct(connection, stream, body)


async def leader_message(
    connection: NatsConnection, stream: str, which: ServerJson, timeout_s: float = API_TIMEOUT_S
) -> ServerJson | None:
    """A message as the stream's leader has it, in the server's own form; None when there is none. `which` is a `seq`,
    the last of a subject (`last_by_subj`), or the first of one at or behind a `seq` (`next_by_subj`, with wildcards).

    Raises:
        StreamMissing and the others of `api`.
    """
    try:
        answer = await api(connection, f"STREAM.MSG.GET.{stream}", which, timeout_s)
    except StreamError as error:
        if error.code == NO_MESSAGE_FOUND:
            return None
        raise
    message: ServerJson = answer["message"]
    return message


async def leader_get_last(connection: NatsConnection, stream: str, subject: str) -> StoredMessage | None:
    """Last message of a subject as the stream's leader has it; a replica that lags behind is not asked."""
    try:
        message = await leader_message(connection, stream, {"last_by_subj": subject})
    except StreamError as error:
        if error.code in NOT_FOUND:
            return None
        raise
    if message is None:
        return None
    return StoredMessage(message["subject"], int(message["seq"]), base64.b64decode(message.get("data", "")))


async def direct_get(connection: NatsConnection, stream: str, seq: int) -> StoredMessage | None:
    """The message at a sequence."""
    return await _direct(connection, stream, json.dumps({"seq": seq}).encode())


async def direct_request(connection: NatsConnection, stream: str, body: bytes, timeout_s: float = API_TIMEOUT_S) -> Msg:
    """A direct get. A replicated stream that was made a moment ago has nobody yet to answer it: that is waited for.

    Raises:
        StreamError: there is no such stream, or it allows no direct get. DeadlineExceeded, NotConnected: no answer.
    """

    async def ask() -> Msg:
        try:
            subject = f"$JS.API.DIRECT.GET.{stream}"
            return await connection.request(subject, body, timeout_s=timeout_s, again_s=_ASK_AGAIN_S)
        except NoResponders as error:
            if await _serves_direct(connection, stream):
                raise StreamError(f"stream {stream}: no replica answers direct gets", retryable=True) from error
            text = f"stream {stream}: expected a stream with direct get, there is none"
            raise StreamMissing(text, STREAM_NOT_FOUND) from error

    return await retry(
        ask,
        attempts=None,
        backoff=_AGAIN,
        deadline_s=timeout_s,
        retryable=lambda error: isinstance(error, StreamError) and error.retryable,
    )


async def _serves_direct(connection: NatsConnection, stream: str) -> bool:
    try:
        info = await api(connection, f"STREAM.INFO.{stream}")
    except StreamError as error:
        if error.code in NOT_FOUND:
            return False
        raise
    return bool(info["config"].get("allow_direct"))


async def _direct(connection: NatsConnection, stream: str, body: bytes) -> StoredMessage | None:
    message = await direct_request(connection, stream, body)
    headers = message.headers or {}
    if "Nats-Sequence" not in headers:
        status = headers.get("Status", "")
        if status == "404":
            return None
        raise StreamError(f"stream {stream}: direct get: {headers.get('Description', status or 'no message')}")
    return StoredMessage(headers["Nats-Subject"], int(headers["Nats-Sequence"]), message.data)


async def publish_ack(
    connection: NatsConnection, subject: str, payload: bytes, headers: Headers = None, timeout_s: float = API_TIMEOUT_S
) -> PubAck:
    """Publish one message and wait until the stream has it.

    Raises:
        Fenced: an expectation of the headers was not met. StreamMissing: no stream has the subject. StreamError:
        refused for another reason; retryable where nothing is decided or nobody takes it now.
        DeadlineExceeded, NotConnected: the outcome is not known.
    """
    try:
        message = await connection.request(subject, payload, timeout_s=timeout_s, headers=headers)
    except NoResponders as error:
        raise await nobody_takes(connection, subject) from error
    return parse_ack(message.data, subject)


async def nobody_takes(connection: NatsConnection, subject: str) -> StreamError:
    """Why nobody took a message: a stream that is not there, or one whose servers are away or electing.

    Only JetStream's own word that no stream has the subject counts as missing.
    """
    text = f"publish {subject}: expected a stream with this subject"
    try:
        streams = (await api(connection, "STREAM.NAMES", {"subject": subject}, _WHY_S)).get("streams")
    except SdkError as error:
        return StreamError(f"{text}, nobody answers now ({error})", retryable=True)
    if streams:
        return StreamError(f"{text}, nobody answers for {streams[0]} now", retryable=True)
    return StreamMissing(f"{text}, there is none", STREAM_NOT_FOUND)


def parse_ack(data: bytes, what: str) -> PubAck:
    """Receipt of a publish, or the error it carries.

    Raises:
        Fenced, StreamError: as `publish_ack`; also for what is no receipt.
    """
    try:
        answer = json.loads(data)
        refusal = answer.get("error")
        if not refusal:
            return PubAck(answer["stream"], int(answer["seq"]), bool(answer.get("duplicate")))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise StreamError(f"publish {what}: expected a receipt, was {data[:200]!r}") from error
    raise error_of(refusal, f"publish {what}")


__all__ = [
    "API_TIMEOUT_S",
    "DUPLICATE_IN_BATCH",
    "NOT_FOUND",
    "NO_MESSAGE_FOUND",
    "UNSETTLED",
    "PubAck",
    "StoredMessage",
    "StreamError",
    "StreamMisconfigured",
    "StreamMissing",
    "answered",
    "api",
    "delete_stream",
    "direct_get",
    "direct_get_last",
    "direct_request",
    "ensure_stream",
    "is_of_leader",
    "leader_get_last",
    "leader_info",
    "leader_message",
    "nobody_takes",
    "parse_ack",
    "publish_ack",
    "stream_info",
]
