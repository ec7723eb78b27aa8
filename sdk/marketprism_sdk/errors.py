"""Errors of the framework; `retryable` says whether the same call can succeed later.

SdkError
├── NotConnected         the connection to NATS is away (retryable)
├── DeadlineExceeded     no answer in time (retryable)
├── NoResponders         nobody serves the subject (retryable)
├── NotPermitted         NATS refuses the subject to this user
├── PayloadTooLarge      more bytes than the server takes in one message
├── ConfigurationError   settings that contradict one another
│   └── InvalidSetting        a setting is not what its type allows (a ValueError as well)
├── InvalidSubject       a subject or header that would break into the protocol (a ValueError as well)
├── KeyExists            create on a key that is there
├── RevisionConflict     compare-and-swap lost against another writer
├── Fenced               a write was refused because its writer no longer owns what it writes to
├── StreamError          JetStream refused a request; `code` is its err_code
│   ├── StreamMissing         the stream or consumer is not there
│   └── StreamMisconfigured   the server or the stream is not set up for it (a ConfigurationError as well)
├── NewerFormat          a newer program wrote it, in a form that this one does not read
├── NotActive            the instance is a standby; `leader` is who leads
├── RemoteError          the other side answered with an error; `code`, `details`
├── JobFailed            a job was done and found something wrong; `output` says what
└── CommandRejected      a command that must not be tried again
"""

from __future__ import annotations

import os
from typing import Any


class SdkError(Exception):
    """Root."""

    retryable = False


class NotConnected(SdkError):
    """The connection is away; `sent` when it went with a question on it that may have been answered."""

    retryable = True
    sent: bool = False


class DeadlineExceeded(SdkError):
    """No answer in time."""

    retryable = True


class NoResponders(SdkError):
    """Nobody serves the subject."""

    retryable = True


class NotPermitted(SdkError):
    """The server does not let this user publish to the subject, or subscribe to it."""


class PayloadTooLarge(SdkError):
    """More bytes than the server takes in one message."""


class ConfigurationError(SdkError):
    """Settings contradict one another."""


class InvalidSetting(ConfigurationError, ValueError):
    """A value of a settings class is not what it allows; the text names the field, what was expected and what was."""


class InvalidSubject(SdkError, ValueError):
    """A subject or a header holds what would be read as more than itself."""


class KeyExists(SdkError):
    """The key is there already."""


class RevisionConflict(SdkError):
    """Another writer was first."""


class Fenced(SdkError):
    """The writer no longer owns what it writes to; `epoch` is that of the owner, 0 where it is not known."""

    epoch: int = 0

    def __init__(self, message: str, epoch: int = 0) -> None:
        super().__init__(message)
        self.epoch = epoch


class StreamError(SdkError):
    """JetStream refused a request."""

    def __init__(self, message: str, code: int = 0, *, retryable: bool = False) -> None:
        super().__init__(message)
        self.code = code
        self.retryable = retryable


class StreamMissing(StreamError):
    """The stream, bucket or consumer is not there: JetStream itself said so."""


class StreamMisconfigured(StreamError, ConfigurationError):
    """The server, the account or the stream is not set up for what was asked."""


class NewerFormat(SdkError):
    """A newer program wrote it, in a form that this one does not read: it is left as it is, for one that does."""


class NotActive(SdkError):
    """This instance is a standby."""

    retryable = True
    leader: str | None = None

    def __init__(self, leader: str | None) -> None:
        super().__init__(f"not active; the leader is {leader or 'not known'}")
        self.leader = leader


class RemoteError(SdkError):
    """The other side answered with an error."""

    def __init__(
        self, code: str, message: str, details: dict[str, Any] | None = None, *, retryable: bool = False
    ) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.details: dict[str, Any] = details or {}
        self.retryable = retryable


class JobFailed(SdkError):
    """What the handler of a job raises whose work was done and found something wrong; `output` is kept of the run."""

    def __init__(self, message: str, output: object = None) -> None:
        super().__init__(message)
        self.output = output


class CommandRejected(SdkError):
    """A command that must not be tried again."""


_WORDLESS = {
    "TimeoutError": "no answer in time",
    "CancelledError": "cancelled",
    "IncompleteReadError": "the other side closed the connection",
    "ConnectionResetError": "the other side closed the connection",
    "BrokenPipeError": "the other side closed the connection",
    "ConnectionRefusedError": "nobody listens there",
    "MemoryError": "not enough memory",
}


def reason_of(error: BaseException) -> str:
    """An error as one text for people and logs, never empty.

    Many exceptions have no text of their own (`TimeoutError`, `CancelledError`, a bare `ConnectionResetError`): those
    are named by what they mean, or by their class; of a group the first; of one that only wraps, what it wraps.
    """
    if isinstance(error, BaseExceptionGroup):
        more = len(error.exceptions) - 1
        return reason_of(error.exceptions[0]) + (f" (and {more} more)" if more else "")
    text = str(error).strip()
    if isinstance(error, OSError) and error.strerror and not isinstance(error, TimeoutError):
        # asyncio puts the address there, which whoever tells of it names better, and not what was wrong.
        words = os.strerror(error.errno or 0) if error.strerror.startswith("Connect call failed") else error.strerror
        text = f"{error.filename}: {words}" if error.filename else words
    if text and not isinstance(error, KeyError):
        return text
    name = type(error).__name__
    if text:
        return f"{name}: {text}"
    words = next((_WORDLESS[each.__name__] for each in type(error).__mro__ if each.__name__ in _WORDLESS), "")
    if words:
        return f"{words} ({name})"
    return name if error.__cause__ is None else f"{name}: {reason_of(error.__cause__)}"
