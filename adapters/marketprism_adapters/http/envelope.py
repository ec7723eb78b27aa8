"""The envelope that every answer of the HTTP side is in, and what an error becomes in it."""

from __future__ import annotations

import hashlib
import math
import secrets
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Literal, NamedTuple

import msgspec
import structlog
from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field

from marketprism_adapters.http.caller_limits import TooMany
from marketprism_application.access.refusals import LockedOut, QuotaSpent
from marketprism_application.contracts.failures import Code, consequence_of, http_code
from marketprism_application.errors import ApplicationError
from marketprism_sdk.errors import RemoteError, SdkError, reason_of

log = structlog.get_logger()

_OF_FIELD = ("field", "value", "expected")  # what a service may say of a wrong value, beside the text
_DETAIL = 1_000

REQUEST_ID = web.RequestKey("request_id", str)  # of a request that a middleware has given an id

# Fields of questions, by what a caller of the HTTP side writes for them.
_WRITTEN = {"ts_from": "from", "ts_to": "to", "text": "search"}


class AnswerTiers(BaseModel):
    """Where the rows of an answer lay, over an archive."""

    model_config = ConfigDict(frozen=True)

    cold_units: int = Field(description="archived partitions that were read for the answer; 0: the store alone was")
    cold_until: int = Field(description="the newest time of any archived row of the kind, nanoseconds UTC")


class Envelope(BaseModel):
    """An answer."""

    model_config = ConfigDict(frozen=True)

    success: Literal[True] = Field(True, description="true: there is an answer")
    data: Any = Field(description="the answer")
    message: str = Field(description="the answer in a few words, like how many rows it has")
    next: str | None = Field(None, description="there are more rows: `after` of the page that follows")
    truncated: bool = Field(False, description="true: there are more rows than these; not there where there are none")
    tiers: AnswerTiers | None = Field(None, description="where the rows lay; not there where there is no archive")
    timestamp: str = Field(description="when it was answered, ISO 8601 in UTC")
    request_id: str = Field(description="of the request's X-Request-Id, else one of our own")


class ErrorBody(BaseModel):
    """Why there is no answer."""

    model_config = ConfigDict(frozen=True)

    code: str = Field(description="what programs compare; each status has its own")
    message: str = Field(description="names the parameter, what was expected and what it was")
    details: dict[str, Any] = Field(default_factory=dict)


class FailureEnvelope(BaseModel):
    """No answer, and why."""

    model_config = ConfigDict(frozen=True)

    success: Literal[False] = Field(False, description="false: there is none")
    error: ErrorBody
    timestamp: str = Field(description="when it was answered, ISO 8601 in UTC")
    request_id: str = Field(description="of the request's X-Request-Id, else one of our own")


class Stamp(NamedTuple):
    """What every envelope holds, taken when the request comes."""

    timestamp: str
    request_id: str

    @classmethod
    def of(cls, request: web.Request) -> Stamp:
        """The stamp of a request that came now."""
        request_id = request.get(REQUEST_ID) or request.headers.get("X-Request-Id", "")[:80] or secrets.token_hex(8)
        return cls(datetime.now(UTC).isoformat(), request_id)


def answered(
    data: Any, message: str, stamp: Stamp, more: Mapping[str, Any] | None = None, *, tagged: bool = False
) -> web.Response:
    """Data in the envelope. It is ours, of the types that JSON has: to check a page of rows would cost more than all
    the rest of its answer. `more` are fields of the envelope that only this answer has. `tagged` answers have a weak
    ETag: of the data, not of when they were asked for."""
    headers = {}
    if tagged:
        data = msgspec.Raw(encoded := msgspec.json.encode(data))
        headers["ETag"] = f'W/"{tag_of(encoded)}"'
    body = {"success": True, "data": data, "message": message, **(more or {}), **stamp._asdict()}
    return web.Response(body=msgspec.json.encode(body), content_type="application/json", headers=headers)


def tag_of(data: bytes) -> str:
    """What an ETag says of bytes."""
    return hashlib.sha256(data).hexdigest()[:24]


def count_of(number: int, word: str) -> str:
    """`1 row`, `2 rows`."""
    return f"{number} {word}" if number == 1 else f"{number} {word}s"


def failed(request: web.Request, error: BaseException, stamp: Stamp) -> web.Response:
    """An error in the envelope; of several that came together, the first. Raises what is no answer to a caller."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    if not isinstance(error, ApplicationError | SdkError):
        raise error
    code = error.code if isinstance(error, ApplicationError | RemoteError) else Code.UNAVAILABLE
    status, message = consequence_of(code).status, reason_of(error)
    if status >= 500:
        log.warning("query.failed", path=request.path, error=message)
    elif isinstance(error, RemoteError):
        message = error.message
    field, colon, rest = message.partition(":")
    if colon and code == Code.INVALID_PARAMETER:
        # Some requests have a parameter of that name.
        message = f"{field if field in request.query else _WRITTEN.get(field, field)}:{rest}"
    details: dict[str, Any] = {}
    if isinstance(error, RemoteError) and status == 400 and error.details.get("field"):
        details = {name: str(error.details[name])[:_DETAIL] for name in _OF_FIELD if name in error.details}
    elif isinstance(error, ApplicationError):
        details = dict(error.details)
    shown = ErrorBody(code=http_code(code), message=message, details=details)
    body = FailureEnvelope(success=False, error=shown, **stamp._asdict())
    headers: dict[str, str] = {}
    if isinstance(error, TooMany | LockedOut | QuotaSpent):
        headers["Retry-After"] = str(max(1, math.ceil(error.retry_s)))
    elif status == 503:
        headers["Retry-After"] = "1"
    elif status == 401:
        headers["WWW-Authenticate"] = 'Bearer realm="marketprism"'
    return web.json_response(body.model_dump(), status=status, headers=headers)
