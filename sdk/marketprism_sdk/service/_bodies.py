"""Bodies of calls and commands as the types that their handlers are annotated with."""

from __future__ import annotations

import dataclasses
import inspect
import re
from collections.abc import Callable
from typing import Any, TypeVar, get_type_hints

import msgspec

from marketprism_sdk.errors import ConfigurationError, RemoteError

T = TypeVar("T")

WRONG_BODY = "INVALID_PARAMETER"
_AT = re.compile(r"^(?P<text>.*?)(?: - at `(?P<path>[^`]*)`)?$", re.DOTALL)
_MISSING = re.compile(r"^Object missing required field `(?P<field>[^`]*)`$")
_NAMED = re.compile(r"^(?P<field>[A-Za-z_]\w*(?:\.\w+)*): expected ")
_FIRST = re.compile(r"^\[(?P<index>\d+)\]")


def body_type(handler: Callable[..., Any]) -> Any:
    """The type of a handler's first argument; None where it is not annotated, or takes anything (`Any`, `object`).

    Raises:
        ConfigurationError: it takes no argument, or its annotation names something that its module does not know.
    """
    parameters = list(inspect.signature(handler).parameters.values())
    if not parameters:
        raise ConfigurationError(f"handler {_name(handler)}: expected an argument for the body, was none")
    try:
        found = get_type_hints(handler, include_extras=True).get(parameters[0].name, Any)
    except NameError as error:
        raise ConfigurationError(
            f"handler {_name(handler)}: expected types that its module imports: {error}"
        ) from error
    return None if found in (Any, object) else found


def decoded(body: Any, kind: type[T], what: str, *, strict: bool = True) -> T:
    """A body as `kind`, where `strict` a text is no number. None is a record without fields, where one is wanted.

    Raises:
        RemoteError: INVALID_PARAMETER; the text and `details["field"]` name the path of the field in the body.
    """
    if body is None and _is_record(kind):
        body = {}
    try:
        return msgspec.convert(body, kind, strict=strict)
    except msgspec.ValidationError as error:
        field, text = _words(str(error), kind)
        raise RemoteError(WRONG_BODY, f"{what}: {text}", {"field": field}) from error


def _is_record(kind: Any) -> bool:
    if not isinstance(kind, type):
        return False
    if issubclass(kind, msgspec.Struct):
        return not kind.__struct_config__.array_like
    return dataclasses.is_dataclass(kind)


def _words(text: str, kind: Any) -> tuple[str, str]:
    """Path of the field, empty where it is the whole body, and what is wrong with it."""
    found = _AT.match(text)
    assert found is not None  # noqa: S101 (it matches every text)
    path = (found["path"] or "$").removeprefix("$").removeprefix(".")
    if position := _FIRST.match(path):
        fields = getattr(kind, "_fields", getattr(kind, "__struct_fields__", ()))  # of what travels as a list
        index = int(position["index"])
        if index < len(fields):
            path = fields[index] + path[position.end() :]
    words = found["text"]
    if missing := _MISSING.match(words):
        return (field := ".".join(filter(None, (path, missing["field"])))), f"{field}: expected a value, was none"
    if words.startswith("Expected "):
        words = words[0].lower() + words[1:].replace(", got ", ", was ").replace("`", "")
        return path, f"{path or 'body'}: {words}"
    if not path and (named := _NAMED.match(words)):  # of a check of the record's own
        return named["field"], words
    return path, f"{path}: {words}" if path else words


def _name(handler: Callable[..., Any]) -> str:
    return str(getattr(handler, "__qualname__", handler))


__all__ = ["WRONG_BODY", "body_type", "decoded"]
