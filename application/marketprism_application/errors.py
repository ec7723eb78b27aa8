"""What a port may raise: `code` is what it travels and is answered as, `retryable` whether to try again or to stop.

ApplicationError
├── SourceError      a source is missing, malformed or away
├── StoreError       the store is away, cannot do it as things stand, or a limit was exceeded
│   ├── SchemaError  the tables are not for this program: another one has to do the work
│   │   └── TierError    the server has no such storage policy or volume for them
│   ├── RowError     a row that no table can take, whenever it is tried
│   └── ColdAwayError    archived rows are needed, and their place does not give them
├── ColdStoreError   the place of archived files is away, full, or refuses
├── BackupError      a backup that cannot be made or restored as asked
│   ├── BackupMissing    there is no such set at the place
│   ├── BackupDamaged    a set is not what was written: a byte, an object or its manifest
│   ├── WrongKey         the identity is none of those for which it was encrypted
│   └── TargetInUse      what is to be restored into holds something
├── VerifyError      what was read back of an archived unit is not what was written
├── EmbeddedServerError  the nats-server of this machine's own does not run
├── LocalServerError     the ClickHouse of this machine's own does not run
├── DataDirError     the data directory cannot be written
├── NotificationError    a channel did not take a message
│   ├── NotificationRefused      it says no: sending the same again is of no use
│   └── NotificationUnavailable  it is away or too busy: later
├── ImportTaken      somebody else imports rows of the same series
├── MixedData        simulated rows for a store of real ones, or the reverse
├── StorageSilent    the storage takes no rows of the past
├── DefinitionError  a job or another thing that somebody defined cannot be (the caller's mistake)
├── OrderError       an order that cannot be calculated, or may not be (the caller's mistake)
└── QueryError       a question that cannot be answered as asked (the caller's mistake)
    ├── UnknownSymbolError   nothing is stored of the instrument
    └── AnswerTooLargeError  the answer has more bytes than a message may have
"""

from __future__ import annotations

import errno
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Self

from marketprism_application.contracts.failures import Code


class ApplicationError(Exception):
    """Root; `retryable` is False unless said otherwise. `code` is that of the class unless another is given.

    `details` are for programs: what whoever is refused needs to go on.
    """

    code: str = Code.INTERNAL
    details: Mapping[str, object] = MappingProxyType({})

    def __init__(self, message: str, *, retryable: bool = False) -> None:
        super().__init__(message)
        self.retryable = retryable


class SourceError(ApplicationError):
    """A source cannot deliver; `refused` when it did not let us in: the same words must not be said again."""

    code = Code.SOURCE_ERROR

    def __init__(self, message: str, *, retryable: bool = False, refused: bool = False) -> None:
        super().__init__(message, retryable=retryable)
        self.refused = refused


class StoreError(ApplicationError):
    """A store cannot do what was asked. `engine_code` is the engine's own number of the error, 0 where it gave none."""

    code = Code.STORE_ERROR

    def __init__(self, message: str, *, retryable: bool = False, engine_code: int = 0) -> None:
        super().__init__(message, retryable=retryable)
        self.engine_code = engine_code


class RowError(StoreError):
    """What a row holds is refused. A writer sets it aside; every other StoreError is of the store and passes."""


class SchemaError(StoreError):
    """The tables are newer than this program, or a migration was altered after it was applied."""


class TierError(SchemaError):
    """A server has no such storage policy or volume, or a table cannot change to it. The text names the setting."""


class ColdAwayError(StoreError):
    """An answer needs archived rows that cannot be read now. The text names their partitions and the place."""


class VerifyError(ApplicationError):
    """Files of a unit are not the rows that they are to be: nothing is dropped."""

    code = Code.STORE_ERROR


class ColdStoreError(ApplicationError):
    """The place of archived files does not do what was asked. The text names it, without secrets."""

    code = Code.STORE_ERROR


class BackupError(ApplicationError):
    """A backup cannot be made or restored as asked; nothing that was there before is changed."""

    code = Code.STORE_ERROR


class BackupMissing(BackupError):
    """There is no such backup at the place; the text names both."""


class BackupDamaged(BackupError):
    """A backup is not what was written. The text names the manifest or the object."""


class WrongKey(BackupError):
    """No identity that was given is one of the recipients for whom a backup was encrypted."""


class TargetInUse(BackupError):
    """What a backup is to be restored into is not empty. The text says what is there."""


class EmbeddedServerError(ApplicationError):
    """No nats-server of this machine's own could be started, or it ended."""


class LocalServerError(ApplicationError):
    """No ClickHouse of this machine's own could be started, or it ended."""


class DataDirError(ApplicationError):
    """The data directory cannot be written; the text names it."""

    @classmethod
    def of(cls, data_dir: Path, error: OSError) -> Self:
        """What the operating system refused below a data directory, with the file or folder that is in the way."""
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            return cls(f"data directory {data_dir}: expected free space, the disk is full")
        reason, at = error.strerror or type(error).__name__, str(error.filename or data_dir)
        where = "" if at == str(data_dir) else f"{at}: "
        return cls(f"data directory {data_dir}: expected a writable directory: {where}{reason}")


class NotificationError(ApplicationError):
    """A channel did not take a message. The text names the channel and never has an address or a secret of it."""


class NotificationRefused(NotificationError):
    """The channel says no, as to a wrong secret: the same message is not to be sent there again."""


class NotificationUnavailable(NotificationError):
    """The channel is away, failed or too busy. It is tried again, `retry_after_s` seconds later at the earliest."""

    def __init__(self, message: str, *, retry_after_s: float = 0.0) -> None:
        super().__init__(message, retryable=True)
        self.retry_after_s = retry_after_s


class ImportTaken(ApplicationError):
    """Two imports of one series at a time would each take what the other has sent for missing."""

    code = Code.CONFLICT


class MixedData(ApplicationError):
    """A store holds real or simulated rows, never both: nothing of these was stored. The text says which it holds."""

    code = Code.MIXED_DATA


class StorageSilent(ApplicationError):
    """What was sent is in the stream and not in the store: the storage is away, or cannot write."""

    code = Code.UNAVAILABLE


class DefinitionError(ApplicationError):
    """What somebody defined is refused; the text names it, the field, what was expected and what it was."""

    code = Code.INVALID_PARAMETER


class OrderError(ApplicationError):
    """An order is refused; the text and `details` name the field, what was expected and what it was."""

    code: str = Code.INVALID_PARAMETER

    def __init__(self, field: str, expected: str, was: object, *, code: str = Code.INVALID_PARAMETER) -> None:
        shown = str(was)[:80]
        super().__init__(f"{field}: expected {expected}, was {shown}")
        self.code = code
        self.details = {"field": field, "value": shown, "expected": expected}


class QueryError(ApplicationError):
    """A query's parameter is wrong; the text names it, what was expected and what it was."""

    code = Code.INVALID_PARAMETER


class UnknownSymbolError(QueryError):
    """Nothing is stored of an instrument that is asked for."""

    code = Code.UNKNOWN_SYMBOL


class AnswerTooLargeError(QueryError):
    """An answer has more bytes than a message may have: fewer rows, or fewer columns, are an answer."""

    code = Code.RESPONSE_TOO_LARGE


_CLASSES: dict[str, type[ApplicationError]] = {
    cls.code: cls
    for cls in (ApplicationError, SourceError, StoreError, QueryError, UnknownSymbolError, AnswerTooLargeError)
}


def error_of(code: str, message: str, *, retryable: bool = False) -> ApplicationError:
    """The error that travelled under a code, as its class; one of an unknown code is a StoreError that has the code:
    whoever was asked could not answer."""
    error = _CLASSES.get(code, StoreError)(message, retryable=retryable)
    error.code = code
    return error
