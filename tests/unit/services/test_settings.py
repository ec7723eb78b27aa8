"""Settings: files, environment, options, and what wrong ones get."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import cast

import pytest
from pydantic import BaseModel

from marketprism_application.errors import SourceError, StoreError
from marketprism_sdk.election import LeaseSettings
from marketprism_sdk.errors import ConfigurationError, NotConnected, SdkError
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.observability import logs
from marketprism_sdk.service import Service
from marketprism_services.platform.container import Container
from marketprism_services.platform.data_dir_lock import DataDirLock
from marketprism_services.platform.exits import Exit, Stop
from marketprism_services.platform.runtime import _made, line_of, stop_of
from marketprism_services.platform.supervisor import SERVICES
from marketprism_services.settings.settings import Settings, load, parse_speed
from marketprism_services.wiring.sources import counter_of

ROOT = Path(__file__).parents[3]


def test_the_example_file_holds_every_section_and_only_defaults() -> None:
    example = load(ROOT / "deploy/config/marketprism.toml")
    default = Settings()
    assert example.model_dump(exclude={"rules", "data_dir"}) == default.model_dump(exclude={"rules", "data_dir"})


def test_options_win_over_the_environment_and_that_over_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "x.toml"
    path.write_text('[source]\nspec = "sim"\nspeed = "1"\n[log]\nlevel = "error"\n', encoding="utf-8")
    monkeypatch.setenv("MARKETPRISM_SOURCE__SPEED", "2")
    monkeypatch.setenv("MARKETPRISM_BARS__INTERVALS", "1m, 1d")
    monkeypatch.setenv("MARKETPRISM_RULES__STALE_S", "7.5")
    settings = load(path, {"source": {"spec": "replay:x.csv"}})
    assert (settings.source.spec, settings.source.speed, settings.log.level) == ("replay:x.csv", "2", "error")
    assert settings.bars.domain().intervals == ("1m", "1d")
    assert settings.validation_rules().stale_s == 7.5


@pytest.mark.parametrize("text", ["[source\n", "x = 1\n", '[log]\nlevel = "loud"\n', "[http]\nquery = 70000\n"])
def test_a_wrong_file_stops_with_a_text(tmp_path: Path, text: str) -> None:
    path = tmp_path / "x.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(Stop, match="setting") as caught:
        load(path)
    assert caught.value.code is Exit.USAGE
    with pytest.raises(Stop, match="No such file"):
        load(tmp_path / "none.toml")


@pytest.mark.parametrize(("text", "speed"), [("max", None), ("1", 1.0), ("60x", 60.0), ("0.5", 0.5)])
def test_speeds(text: str, speed: float | None) -> None:
    assert parse_speed(text) == speed
    for wrong in ("0", "-1", "fast", "inf", "nan"):
        with pytest.raises(ValueError, match="speed"):
            parse_speed(wrong)


@pytest.mark.parametrize(
    ("section", "values", "said"),
    [
        ("lease", {"heartbeat_s": 0.25, "probe_s": 0.4}, "setting lease: expected lease_s > 2 x heartbeat_s"),
        ("lease", {"lease_s": 0.1, "heartbeat_s": 0.04, "probe_s": 0.01}, "setting lease: expected 0 < probe_timeout_s"),
        ("lease", {"lease_s": float("inf")}, "setting lease: expected lease_s of at most 3600, was inf"),
        ("lease", {"lease_s": float("nan")}, "setting lease: expected lease_s of at most 3600, was nan"),
        ("bars", {"grace_s": 3_601}, "setting bars: grace_s: expected 0 to 3600 seconds, was 3601"),
        ("bars", {"grace_s": -1}, "setting bars: grace_s: expected 0 to 3600 seconds, was -1"),
        ("bars", {"intervals": ["1s"]}, "setting bars: interval: expected 1m or longer"),
        ("bars", {"intervals": ["7x"]}, "setting bars: interval"),
    ],
)  # fmt: skip
def test_what_a_settings_owner_refuses_is_a_wrong_setting(section: str, values: dict[str, object], said: str) -> None:
    with pytest.raises(Stop) as caught:
        load(None, {section: values})
    assert str(caught.value).startswith(said)
    assert caught.value.code is Exit.USAGE


def test_what_a_settings_owner_takes_is_taken() -> None:
    assert load(None, {"bars": {"grace_s": 3_600}}).bars.domain().grace_s == 3_600
    slow = {"lease_s": 3_600, "heartbeat_s": 1_799, "probe_s": 1_798}
    assert load(None, {"lease": slow}).lease.lease() == LeaseSettings(3_600, 1_799, 1_798)


def _bounds() -> list[tuple[str, str, float]]:
    """(section, field, value) of every number at its bounds and just beyond them."""
    found = []
    for section, field in Settings.model_fields.items():
        if not (isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel)):
            continue
        for name, inner in field.annotation.model_fields.items():
            whole = inner.annotation is int
            for rule in inner.metadata:
                for sign, step in (("ge", 0.0), ("gt", 1e-6), ("le", 0.0), ("lt", -1e-6)):
                    bound = getattr(rule, sign, None)
                    if bound is not None:
                        found += [(section, name, value) for value in {bound + (round(step) if whole else step)}]
    return found


@pytest.mark.parametrize(("section", "name", "value"), _bounds())
async def test_a_setting_at_its_bounds_is_taken_by_whoever_it_is_for(
    connection: NatsConnection, section: str, name: str, value: float
) -> None:
    """What `load` accepts no owner may refuse later: a process would end with 1 and be started again for ever."""
    account = {"broker": "9999", "user": "u", "password": "p", "auth_code": "0", "app_id": "a"}
    fronts = {"md_fronts": ["tcp://127.0.0.1:1"], "td_fronts": ["tcp://127.0.0.1:2"], **account}
    given: dict[str, dict[str, object]] = {"ctp": dict(fronts), "sopt": dict(fronts)}
    given.setdefault(section, {})[name] = value
    settings = _accepted(given)
    for spec in ("ctp", "binance:BTC-USDT") if settings is not None else ():
        settings = load(None, {**given, "source": {**given.get("source", {}), "spec": spec}})
        container = Container(settings=settings, connection=connection)
        assert counter_of(settings, "sopt").md_fronts
        for service in SERVICES if spec == "ctp" else ("gateway",):
            assert isinstance(getattr(container, service)(), Service)


def _accepted(given: dict[str, dict[str, object]]) -> Settings | None:
    """What `load` makes of it; None where it refuses it, as a wrong setting."""
    try:
        return load(None, given)
    except Stop as refused:
        if refused.code is not Exit.USAGE:
            raise
        return None


async def test_a_setting_that_only_a_service_can_judge_is_a_wrong_setting_too(nats_url: str) -> None:
    class Refusing:
        def gateway(self) -> Service:
            raise ConfigurationError("lease: expected something else")

    with pytest.raises(Stop, match="setting lease: expected something else") as caught:
        _made(cast("Container", Refusing()), "gateway")
    assert caught.value.code is Exit.USAGE
    assert stop_of(ConfigurationError("x")).code is Exit.USAGE


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (TimeoutError(), "no answer in time (TimeoutError)"),
        (ConnectionResetError(), "the other side closed the connection (ConnectionResetError)"),
        (OSError(), "OSError"),
        (FileNotFoundError(2, "No such file or directory", "x.csv"), "x.csv: No such file or directory"),
        (SdkError(), "SdkError"),
        (SourceError(""), "SourceError"),
        (StoreError(" "), "StoreError"),
        (NotConnected(""), "NotConnected"),
        (Stop(Exit.FAILED, ""), "Stop"),
        (ExceptionGroup("several", [TimeoutError(), OSError("no")]), "no answer in time (TimeoutError)"),
    ],
)
def test_no_error_is_told_with_nothing_behind_it(error: Exception, said: str) -> None:
    assert line_of(stop_of(error)) == said


def test_a_stop_without_words_is_told_by_what_caused_it() -> None:
    stop = Stop(Exit.NATS, str(cause := TimeoutError()))
    stop.__cause__ = cause
    assert line_of(stop_of(stop)) == "no answer in time (TimeoutError)"


def test_a_log_line_never_has_an_empty_reason() -> None:
    try:
        raise TimeoutError
    except TimeoutError as error:
        line = logs.name_wordless_errors(None, "warning", {"event": "x", "error": str(error)})
    assert line["error"] == "no answer in time (TimeoutError)"
    assert logs.name_wordless_errors(None, "warning", {"event": "x", "reason": ""})["reason"] == "no reason given"
    assert logs.name_wordless_errors(None, "warning", {"event": "x", "error": "y"})["error"] == "y"


def test_errors_are_printed_in_one_place_that_never_prints_an_empty_one() -> None:
    places = {
        path.name: re.findall(r"error:\[/red\] \{(\w+)\(", text)
        for path in (ROOT / "services").rglob("*.py")
        if "error:[/red]" in (text := path.read_text(encoding="utf-8"))
    }
    assert places == {"app.py": ["_escaped"]}
    text = (ROOT / "services/marketprism_services/cli/app.py").read_text(encoding="utf-8")
    assert "_escaped(hide(line_of(stop)))" in text


def test_a_data_directory_has_one_pipeline(tmp_path: Path) -> None:
    with DataDirLock(tmp_path):
        with pytest.raises(Stop, match="is running on it already") as caught, DataDirLock(tmp_path):
            pass
        assert caught.value.code is Exit.RUNNING
    with DataDirLock(tmp_path):
        pass
    (tmp_path / "file").write_text("x")
    with pytest.raises(Stop, match="expected a writable directory") as caught, DataDirLock(tmp_path / "file"):
        pass
    assert caught.value.code is Exit.STORE


async def test_every_provider_of_the_container_builds(nats_url: str) -> None:
    connection = await NatsConnection.open(nats_url)
    container = Container(settings=Settings(), connection=connection)
    container.check_dependencies()
    for name in SERVICES:
        service = getattr(container, name)()
        assert isinstance(service, Service)
        assert service.name == name
    await connection.close()


def test_only_the_container_imports_the_container_library() -> None:
    users = []
    for path in (ROOT / "services").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("dependency_injector"):
                users.append(path.name)
    assert users == ["container.py"]
