"""Events of the central configuration."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ConfigurationChanged:
    """Version `version` of the central configuration is in force; `paths` are the settings that it changed."""

    version: int
    paths: str  # names with commas between
    target: str  # all, a service, or <service>.<instance>
    actor: str
    reason: str
