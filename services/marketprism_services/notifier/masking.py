"""What people may read of an alert: chats and mails are no place for secrets."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from marketprism_application.contracts.alert_records import Alert
from marketprism_sdk.observability.secret_fields import hide_secrets
from marketprism_sdk.urls import hide

_LONGEST = 2_000


def readable(text: str) -> str:
    """A text of at most 2 000 characters, without users, passwords and tokens of URLs in it."""
    return hide(text)[:_LONGEST]


def readable_fields(fields: Mapping[str, object]) -> dict[str, str]:
    """Fields by their names as `readable` texts; those whose names are of secrets are hidden."""
    return {name[:200]: readable(str(value)) for name, value in hide_secrets(fields).items()}


def masked(alert: Alert) -> Alert:
    """The alert with every text as `readable`, the fingerprint too: it is shown, and the same secret masks the same."""
    return msgspec.structs.replace(
        alert,
        fingerprint=readable(alert.fingerprint),
        labels=readable_fields(alert.labels),
        summary=readable(alert.summary),
        description=readable(alert.description),
        value=readable(alert.value),
        threshold=readable(alert.threshold),
    )


__all__ = ["masked", "readable", "readable_fields"]
