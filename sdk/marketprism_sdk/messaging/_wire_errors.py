"""Errors as they travel: a map {code, message, details, retryable}, and back to the class that was raised.

A class of one's own takes part with `@wire_error("OUT_OF_STOCK")`; its attributes that a message can carry travel as
details. What has no code arrives as a RemoteError with the code INTERNAL.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import msgspec

from marketprism_sdk.errors import (
    CommandRejected,
    DeadlineExceeded,
    Fenced,
    NoResponders,
    NotActive,
    NotConnected,
    PayloadTooLarge,
    RemoteError,
    SdkError,
    reason_of,
)
from marketprism_sdk.observability.logger import get_logger

log = get_logger(__name__)

E = TypeVar("E", bound=type[Exception])
_CODES: dict[type[Exception], str] = {}
_CLASSES: dict[str, type[Exception]] = {}


def wire_error(code: str) -> Callable[[E], E]:
    """Let an exception class travel under a code.

    Raises:
        ValueError: another class has the code.
    """

    def register(cls: E) -> E:
        if _CLASSES.setdefault(code, cls) is not cls:
            raise ValueError(f"wire error {code}: expected a code of its own, {_CLASSES[code].__name__} has it")
        _CODES[cls] = code
        return cls

    return register


for _code, _class in {
    "NOT_ACTIVE": NotActive,
    "DEADLINE_EXCEEDED": DeadlineExceeded,
    "FENCED": Fenced,
    "NO_RESPONDERS": NoResponders,
    "NOT_CONNECTED": NotConnected,
    "RESPONSE_TOO_LARGE": PayloadTooLarge,
    "COMMAND_REJECTED": CommandRejected,
}.items():
    wire_error(_code)(_class)


def encode_error(error: BaseException, method: str) -> tuple[bytes, str]:
    """Body of an error answer, and its code."""
    code, details, retryable = _parts(error)
    if code == "INTERNAL" and not isinstance(error, SdkError):
        log.error("rpc.handler_failed", method=method, exc_info=error)
    message = error.message if isinstance(error, RemoteError) else reason_of(error)
    if code == "INTERNAL" and not isinstance(error, RemoteError):
        message = f"{type(error).__name__}: {error}" if str(error) else message
    body = {"code": code, "message": message, "details": details, "retryable": retryable}
    try:
        return msgspec.msgpack.encode(body), code
    except (TypeError, ValueError, OverflowError):
        return msgspec.msgpack.encode({**body, "details": {}}), code


def _parts(error: BaseException) -> tuple[str, dict[str, Any], bool]:
    if isinstance(error, RemoteError):
        return error.code, error.details, error.retryable
    if isinstance(error, TimeoutError):
        return "DEADLINE_EXCEEDED", {}, True
    code = next((_CODES[cls] for cls in type(error).__mro__ if cls in _CODES), "INTERNAL")
    details = {} if code == "INTERNAL" else {k: v for k, v in vars(error).items() if not k.startswith("_")}
    return code, details, bool(getattr(error, "retryable", False))


def decode_error(data: bytes) -> Exception:
    """The error of an answer, as its class where that is known here."""
    try:
        body = msgspec.msgpack.decode(data)
        code, message = str(body["code"]), str(body["message"])
        details = dict(body.get("details") or {})
        retryable = bool(body.get("retryable"))
    except (msgspec.MsgspecError, KeyError, TypeError, ValueError, AttributeError, RecursionError):
        return RemoteError("MALFORMED_REPLY", "the error answer is not a map of code and message")
    cls = _CLASSES.get(code)
    if cls is None:
        return RemoteError(code, message, details, retryable=retryable)
    error = cls.__new__(cls, message)
    error.args = (message,)
    error.__dict__.update(details)
    return error
