"""What a service does when a setting of it is changed while it runs, as its wiring says it."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from marketprism_sdk.errors import ConfigurationError
from marketprism_services.settings.modes import Mode, mode_of
from marketprism_services.settings.settings import Settings

Apply = Callable[[Settings], None]


class Appliers:
    """Called in the event loop, between two pieces of work: an applier takes the new value and waits for nothing."""

    def __init__(self) -> None:
        self._by_name: dict[str, Apply] = {}
        self._vetoes: list[Apply] = []

    def on(self, name: str, apply: Apply) -> None:
        """Call `apply` with the settings whenever this one has changed.

        Raises:
            ConfigurationError: it is no setting that applies at once.
        """
        if mode_of(name) is not Mode.LIVE:
            raise ConfigurationError(f"setting {name}: expected one of mode live, was {mode_of(name).name.lower()}")
        self._by_name[name] = apply

    def veto(self, check: Apply) -> None:
        """Call `check` with settings that are proposed; what it raises (ConfigurationError, InvalidValue) refuses
        them."""
        self._vetoes.append(check)

    @property
    def names(self) -> frozenset[str]:
        """The settings that this process applies at once."""
        return frozenset(self._by_name)

    def check(self, settings: Settings) -> None:
        """Raises what refuses them."""
        for veto in self._vetoes:
            veto(settings)

    def apply(self, names: Iterable[str], settings: Settings) -> None:
        """Apply each setting of these names that is applied here, each applier once."""
        for applier in dict.fromkeys(self._by_name[name] for name in names if name in self._by_name):
            applier(settings)


__all__ = ["Appliers", "Apply"]
