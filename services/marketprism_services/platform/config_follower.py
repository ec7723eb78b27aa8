"""What central values mean for one process: what it takes at once, what waits for a restart, what it refuses."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from marketprism_application.contracts.config_records import CentralLayer, ConfigVerdict, ValueGiven, Values
from marketprism_domain.errors import InvalidValue
from marketprism_sdk.errors import ConfigurationError
from marketprism_services.settings import secret_references
from marketprism_services.settings.central import differing, shown, values_for
from marketprism_services.settings.layers import NOTHING, Layers
from marketprism_services.settings.modes import is_used_by, why_fixed
from marketprism_services.settings.settings import Settings
from marketprism_services.wiring.appliers import Appliers


class Standing(NamedTuple):
    """Where a process is: the version that it has taken, what of it waits for a restart, what stands above it, and why
    it has not taken a later one."""

    version: int = 0
    pending: tuple[str, ...] = ()
    pinned: tuple[str, ...] = ()
    refusal: str = ""


class _Outcome(NamedTuple):
    """Settings as they would be, and which of them differ from what is running."""

    settings: Settings
    live: dict[str, object]
    applied: tuple[str, ...]
    pending: tuple[str, ...]
    pinned: tuple[str, ...]


class ConfigFollower:
    """`layers` are what the process is given otherwise, `layer` is what it started with.

    Methods that read secrets (`judge`, `plan`) block: they are for a thread.

    Raises:
        SettingsError: it cannot start with that layer.
    """

    def __init__(self, layers: Layers, layer: CentralLayer, service: str, appliers: Appliers) -> None:
        self._layers = layers
        self._service = service
        self._appliers = appliers
        self.instance = ""  # as the service is called once it is made
        self._data_dir = layers.settings().data_dir
        self._given = self._resolved(layer.values)  # central values by name that it runs with
        self.settings: Settings = layers.settings(self._given)  # that it runs with
        pinned = tuple(sorted(set(self._given) & layers.pinned))
        self.standing: Standing = Standing(layer.version, (), pinned)

    def _resolved(self, values: Mapping[str, object]) -> dict[str, object]:
        """Central values for this process by name, secrets in place. What nobody may set centrally is left out: it was
        written by a version of ours that knew it otherwise."""
        found: dict[str, object] = {}
        for name, value in values_for(values, self._service, self.instance).items():
            if why_fixed(name) or not is_used_by(name, self._service):
                continue
            if name not in self._layers.pinned and secret_references.is_reference(value):
                value = secret_references.resolve(name, str(value), self._data_dir)  # noqa: PLW2901
            found[name] = value
        return found

    def judge(self, values: Values) -> ConfigVerdict:
        """What it would do with central values."""
        try:
            found = self._outcome(values)
            self._appliers.check(found.settings)
        except (ConfigurationError, InvalidValue) as error:
            return ConfigVerdict(str(error))
        return ConfigVerdict("", found.applied, found.pending, found.pinned)

    def plan(self, values: Values) -> _Outcome:
        """What is to be taken of central values. Raises SettingsError."""
        return self._outcome(values)

    def take(self, version: int, plan: _Outcome) -> None:
        """Run with what was planned: everything that applies at once is applied, before anything else runs.

        Raises what an applier does; all have their values of before then.
        """
        try:
            self._appliers.apply(plan.applied, plan.settings)
        except Exception:
            self._appliers.apply(plan.applied, self.settings)
            raise
        self._given = plan.live
        self.settings = plan.settings
        self.standing = Standing(version, plan.pending, plan.pinned)

    def given(self) -> dict[str, ValueGiven]:
        """What it runs with of each setting that it uses and that is given anywhere, by name."""
        origins = self._layers.origins
        central = {name: "central" for name in self._given if name not in self._layers.pinned}
        layers = {name: layer for name, layer in {**origins, **central}.items() if is_used_by(name, self._service)}
        return {name: ValueGiven(value, layers[name]) for name, value in shown(self.settings, layers).items()}

    def refuse(self, reason: str) -> None:
        """Stay with what is running, and say why."""
        self.standing = self.standing._replace(refusal=reason)

    def _outcome(self, values: Mapping[str, object]) -> _Outcome:
        wanted = self._resolved(values)
        whole = self._layers.settings(wanted)
        # What waits for a restart keeps the value that the process has started with.
        at_once = self._appliers.names
        live = {name: value for name, value in self._given.items() if name not in at_once}
        live |= {name: value for name, value in wanted.items() if name in at_once}
        settings = self._layers.settings(live)
        applied = tuple(differing(self.settings, settings))
        pending = tuple(differing(settings, whole))
        pinned = tuple(sorted(set(wanted) & self._layers.pinned))
        return _Outcome(settings, live, applied, pending, pinned)


def follower_of(layers: Layers, service: str, appliers: Appliers, *candidates: CentralLayer) -> ConfigFollower:
    """A follower with the first of these layers that the process can start with; with none of them, without any.

    It blocks: it reads secrets.

    Raises:
        SettingsError: what the process is given otherwise cannot be.
    """
    refusal = ""
    for layer in candidates:
        try:
            follower = ConfigFollower(layers, layer, service, appliers)
        except ConfigurationError as error:
            refusal = refusal or f"version {layer.version}: {error}"
            continue
        if refusal:
            follower.refuse(refusal)
        return follower
    follower = ConfigFollower(layers, CentralLayer(values=dict(NOTHING)), service, appliers)
    if refusal:
        follower.refuse(refusal)
    return follower


__all__ = ["ConfigFollower", "Standing", "follower_of"]
