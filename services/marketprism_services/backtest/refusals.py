"""Refusals as they are answered, each with its field."""

from __future__ import annotations

from marketprism_application.contracts.failures import Code
from marketprism_sdk.errors import RemoteError


def wrong(field: str, expected: str, value: object) -> RemoteError:
    """A value that cannot be, as an answer says it."""
    return RemoteError(Code.INVALID_PARAMETER, f"{field}: {expected}, was {value!r}"[:500], {"field": field})


def refused(code: str, text: str) -> RemoteError:
    """A refusal whose text begins with its field."""
    field = text.partition(":")[0]
    return RemoteError(code, text[:1_000], {"field": field[:80]})


__all__ = ["refused", "wrong"]
