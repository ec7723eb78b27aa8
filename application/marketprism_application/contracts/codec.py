"""Wire form of the kinds: public MessagePack maps.

A public message is a map with field names; decimals are strings, a missing value is an absent key, `v` is the
version. Encoding goes through one generated struct per kind, so a kind needs no code of its own.
"""

from __future__ import annotations

from decimal import Decimal
from functools import cache
from typing import Any

import msgspec

from marketprism_application.contracts.kinds import KINDS, DataKind


class ContractError(ValueError):
    """Bytes that are not the message they should be; names what was expected."""


class NewerVersion(ContractError):
    """A newer program wrote it, in a version that this one does not read. It is no damage: who waits for the newer
    program loses nothing."""


class _Version(msgspec.Struct):
    v: int


_encoder = msgspec.msgpack.Encoder()
_MOST_DIGITS = 400  # of a double; what is larger is written to do harm
_version_decoder = msgspec.msgpack.Decoder(_Version)


@cache
def _struct(kind_name: str) -> type[msgspec.Struct]:
    kind = KINDS[kind_name]
    defaults = kind.model._field_defaults
    fields: list[Any] = [("v", int)]
    for name, hint in kind.types.items():
        if name in defaults:
            fields.append((name, hint, None if defaults[name] is None else _default(defaults[name])))
        else:
            fields.append((name, hint))
    rename = {name: name.rstrip("_") for name in kind.fields if name.endswith("_")}
    return msgspec.defstruct(f"{kind.model.__name__}Message", fields, omit_defaults=True, rename=rename or None)


def _default(value: Any) -> Any:
    return msgspec.field(default=value) if not isinstance(value, dict) else msgspec.field(default_factory=dict)


@cache
def _decoder(kind_name: str) -> msgspec.msgpack.Decoder[Any]:
    return msgspec.msgpack.Decoder(_struct(kind_name))


def encode(kind: DataKind, record: Any) -> bytes:
    """Public message of a record. Numbers are plain: no reader has to know what 8.5E-7 is."""
    payload = _encoder.encode(_struct(kind.name)(kind.version, *record))
    # A single byte is looked for ten times as fast as two, and hardly a message has an E.
    if b"E" in payload and (b"E-" in payload or b"E+" in payload):
        return _encoder.encode(_struct(kind.name)(kind.version, *map(_plainly, record)))
    return payload


def _plainly(value: Any) -> Any:
    """A number, or the numbers of levels, as text without an exponent; anything else as it is."""
    if isinstance(value, Decimal):
        if value.is_finite() and abs(value.adjusted()) > _MOST_DIGITS:
            raise ContractError(f"message: expected a number of at most {_MOST_DIGITS} digits, was {str(value)[:40]}")
        return format(value, "f")
    if isinstance(value, tuple):
        return [_plainly(each) for each in value]
    return value


def decode(kind: DataKind, payload: bytes) -> Any:
    """Record of a public message.

    Raises:
        ContractError: not a MessagePack map of this kind, or of another version. NewerVersion: of a newer one.
    """
    try:
        message: Any = _decoder(kind.name).decode(payload)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise _unread(kind, payload, str(error)) from error
    if message.v != kind.version:
        raise of_version(f"{kind.name} message", kind.version, message.v)
    return kind.model(*(getattr(message, name) for name in kind.fields))


def of_version(what: str, known: int, found: int) -> ContractError:
    """The error that names the version of a message and the one that is read."""
    made = NewerVersion if found > known else ContractError
    return made(f"{what}: expected version {known}, was {found}")


def _unread(kind: DataKind, payload: bytes, reason: str) -> ContractError:
    """Why a message cannot be read; of a newer version, that it is one, whatever else is in it."""
    try:
        found = _version_decoder.decode(payload).v
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        found = 0
    if found > kind.version:
        return of_version(f"{kind.name} message", kind.version, found)
    return ContractError(f"{kind.name} message: {reason}")


@cache
def _raw_parts(kind_name: str) -> tuple[msgspec.msgpack.Decoder[Any], int]:
    """A decoder that leaves every value of a message as it is encoded, and what a missing one stands for."""
    kind = KINDS[kind_name]
    defaults = kind.model._field_defaults
    fields: list[Any] = [("v", int)]
    for name in kind.fields:
        if name in defaults:
            fields.append((name, msgspec.Raw, msgspec.Raw(_encoder.encode(defaults[name]))))
        else:
            fields.append((name, msgspec.Raw))
    rename = {name: name.rstrip("_") for name in kind.fields if name.endswith("_")}
    made = msgspec.defstruct(f"{kind.model.__name__}Parts", fields, rename=rename or None)
    return msgspec.msgpack.Decoder(made), kind.version


def to_row(kind: DataKind, payload: bytes) -> bytes:
    """The array of a public message, in the order of the kind's fields; no value is looked into.

    Raises:
        ContractError: not a MessagePack map with the kind's fields, or of another version. NewerVersion: of a newer
        one.
    """
    decoder, version = _raw_parts(kind.name)
    try:
        parts = decoder.decode(payload)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise _unread(kind, payload, str(error)) from error
    values = msgspec.structs.astuple(parts)
    if values[0] != version:
        raise of_version(f"{kind.name} message", version, values[0])
    return _encoder.encode(values[1:])


@cache
def _row_decoder(kind_name: str) -> msgspec.msgpack.Decoder[Any]:
    return msgspec.msgpack.Decoder(KINDS[kind_name].model)


def decode_row(kind: DataKind, raw: bytes | msgspec.Raw) -> Any:
    """One record of an internal message, from its array.

    Raises:
        ContractError: not an array of this kind's fields.
    """
    try:
        return _row_decoder(kind.name).decode(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise ContractError(f"{kind.name} row: {error}") from error


def plain(value: Decimal) -> str:
    """Decimal text without exponent and without trailing zeros, `-0` as `0`."""
    if value.is_finite() and abs(value.adjusted()) > _MOST_DIGITS:
        return str(value)
    text = format(value, "f")
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text in {"-0", ""} else text
