"""Settings of every process: defaults, then a TOML file, then `MARKETPRISM_…` variables, then options.

`MARKETPRISM_NATS__URL=nats://…` sets `nats.url`. An unknown name or a value out of range stops the process
with a text that names it. Each section is the class of whoever uses it: what is possible is decided there, once.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError, field_validator

from marketprism_adapters.calendars.settings import CalendarSettings
from marketprism_adapters.capture.settings import CaptureSettings
from marketprism_adapters.nats.stream_layout import StreamLayout, StreamSettings
from marketprism_adapters.venues.live.settings import VenueSettings
from marketprism_application.contracts.nearest import did_you_mean
from marketprism_domain.bars.state import BarSettings
from marketprism_domain.errors import InvalidValue
from marketprism_domain.ticks.rules import RuleSettings
from marketprism_sdk.election import LeaseSettings
from marketprism_sdk.urls import HIDDEN, hide
from marketprism_services.settings.api import ApiSettings
from marketprism_services.settings.archive import ArchiveSettings
from marketprism_services.settings.backtest import BacktestSettings
from marketprism_services.settings.backup import BackupSettings
from marketprism_services.settings.data import DataSettings
from marketprism_services.settings.errors import SettingsError
from marketprism_services.settings.loading import from_environment, from_file, merge
from marketprism_services.settings.notify import NotifySettings
from marketprism_services.settings.order import OrderSettings
from marketprism_services.settings.scheduler import SchedulerSettings
from marketprism_services.settings.section import Section
from marketprism_services.settings.sections import (
    CounterSection,
    HttpSettings,
    LogSettings,
    NatsSettings,
    QuerySettings,
    SourceSettings,
    StoreSettings,
    TraceSettings,
    VnpySection,
)
from marketprism_services.settings.shape import fields_of, type_at


def _absolute(path: str | Path) -> Path:
    try:
        return Path(path).expanduser().absolute()
    except RuntimeError as error:
        raise SettingsError(
            f"data_dir: expected a home directory for {path}, there is none: give --data-dir or MARKETPRISM_HOME"
        ) from error


class Settings(Section):
    """Everything that can be set of a process."""

    data_dir: Path = Field(default_factory=lambda: _absolute(os.environ.get("MARKETPRISM_HOME", "~/.marketprism")))
    nats: NatsSettings = NatsSettings()
    streams: StreamSettings = StreamSettings()
    source: SourceSettings = SourceSettings()
    ctp: CounterSection = CounterSection()
    sopt: CounterSection = CounterSection()
    venue: VenueSettings = VenueSettings()
    vnpy: VnpySection = VnpySection()
    capture: CaptureSettings = CaptureSettings()
    calendar: CalendarSettings = CalendarSettings()
    store: StoreSettings = StoreSettings()
    archive: ArchiveSettings = ArchiveSettings()
    backup: BackupSettings = BackupSettings()
    query: QuerySettings = QuerySettings()
    api: ApiSettings = ApiSettings()
    notify: NotifySettings = NotifySettings()
    scheduler: SchedulerSettings = SchedulerSettings()
    order: OrderSettings = OrderSettings()
    data: DataSettings = DataSettings()
    backtest: BacktestSettings = BacktestSettings()
    bars: BarSettings = BarSettings()
    rules: RuleSettings = RuleSettings()
    http: HttpSettings = HttpSettings()
    log: LogSettings = LogSettings()
    trace: TraceSettings = TraceSettings()
    lease: LeaseSettings = LeaseSettings()
    drain_s: float = Field(8.0, gt=0, le=60)

    def layout(self) -> StreamLayout:
        """How the market streams are made."""
        return StreamLayout(self.nats.replicas, int(self.nats.max_store_gb * 1e9), self.streams)

    @field_validator("data_dir")
    @classmethod
    def _expand(cls, value: Path) -> Path:
        return _absolute(value)


def load(config: Path | None = None, overrides: dict[str, Any] | None = None) -> Settings:
    """Settings of this process.

    Raises:
        SettingsError: with every wrong name or value on a line of its own.
    """
    values: dict[str, Any] = {}
    if config is not None:
        values = from_file(config)
    merge(values, from_environment(Settings))
    merge(values, overrides or {})
    return validated(values)


def validated(values: dict[str, Any]) -> Settings:
    """Settings by values that were merged. Raises SettingsError as `load` does."""
    _refuse_nul(values)
    try:
        return Settings.model_validate(values)
    except ValidationError as error:
        raise SettingsError(_explain(error)) from error


def _refuse_nul(values: object, path: str = "") -> None:
    """No text that is set holds a NUL: no folder, host or name has one, and whoever opens it fails without a word."""
    if isinstance(values, str) and "\0" in values:
        raise SettingsError(f"{path}: expected a text without NUL, was one")
    inner = (
        values.items() if isinstance(values, dict) else enumerate(values) if isinstance(values, list | tuple) else ()
    )
    for name, value in inner:
        _refuse_nul(value, f"{path}.{name}".lstrip("."))


def _explain(error: ValidationError) -> str:
    lines = []
    for item in error.errors():
        path = [str(part) for part in item["loc"]]
        name = ".".join(path)
        if item["type"] in ("extra_forbidden", "unexpected_keyword_argument"):
            known = sorted(fields_of(type_at(Settings, path[:-1])))
            close = did_you_mean(path[-1], known)
            hint = f"{close}?" if close else f"; known: {', '.join(known)}"
            lines.append(f"setting {name}: there is no such setting{hint}")
        else:
            refused = item.get("ctx", {}).get("error")
            message = item["msg"].removeprefix("Value error, ").removeprefix(f"{name}: ")
            if isinstance(refused, InvalidValue) and _declares(path, refused.field.removeprefix(f"{name}.")):
                # The owner of a section names its field; here it has a place.
                name = f"{name}.{refused.field.removeprefix(f'{name}.')}"
                message = message.removeprefix(f"{refused.field}: ")
            was = "" if " was " in message else f", was {_shown(path, item['input'])}"
            lines.append(f"setting {name}: {message[0].lower()}{hide(message[1:])}{was}")
    return hide("\n".join(lines))  # also where somebody wrote a URL as a name


def _declares(path: list[str], field: str) -> bool:
    return field.partition(".")[0] in fields_of(type_at(Settings, path))


def _shown(path: list[str], value: Any) -> str:
    """A value that is not what it should be, unless it is or holds a secret."""
    shown = repr(value)
    secret = any(word in f"{path[-1]} {shown}" for word in ("password", "auth_code", "secret"))
    # A URL that is not well formed cannot be trusted to be hidden where its password is.
    return HIDDEN if secret or (path[-1].endswith("url") and "@" in shown) else hide(shown)
