"""Settings: files, environment, options, and what wrong ones get."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.service import Service
from marketprism_services.container import Container
from marketprism_services.exits import Exit, Stop
from marketprism_services.lock import DataDirLock
from marketprism_services.settings import Settings, load, parse_speed
from marketprism_services.supervisor import SERVICES

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
