"""How the validator is made."""

from __future__ import annotations

from marketprism_domain.ticks.rules import ValidationRules
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_services.settings.settings import Settings
from marketprism_services.validator.service import ValidatorService
from marketprism_services.wiring.services import service_settings_of
from marketprism_services.wiring.shared import Shared


def build(settings: Settings, connection: NatsConnection, shared: Shared) -> ValidatorService:
    """The service by the settings, not started.

    Raises:
        ConfigurationError, InvalidValue: a setting that it refuses.
    """
    return ValidatorService(
        connection,
        shared.calendar(),
        ValidationRules.of(settings.rules),
        lease=settings.lease,
        version=shared.version,
        settings=service_settings_of(settings, "validator"),
    )
