"""What is wrong with the settings of a process."""

from __future__ import annotations

from marketprism_sdk.errors import ConfigurationError


class SettingsError(ConfigurationError):
    """Settings that cannot be read, or are not what they should be; the text has a line for each of them."""
