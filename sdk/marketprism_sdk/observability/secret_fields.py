"""Which fields of an event are secrets, by their names."""

from __future__ import annotations

from collections.abc import Mapping

from marketprism_sdk.urls import HIDDEN

_SECRETS = ("password", "passphrase", "token", "secret", "credential", "auth_code", "authorization", "api_key", "nkey")


def hide_secrets(fields: Mapping[str, object]) -> dict[str, object]:
    """The fields with what is secret hidden, at any depth."""
    return {name: HIDDEN if _is_secret(name) else _without_secrets(value) for name, value in fields.items()}


def _without_secrets(value: object) -> object:
    if isinstance(value, dict):
        return {key: HIDDEN if _is_secret(str(key)) else _without_secrets(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_without_secrets(each) for each in value]
    return value


def _is_secret(name: str) -> bool:
    lower = name.lower()
    return any(word in lower for word in _SECRETS)
