"""What the doctor says about the folder where data lives and the store."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from marketprism_services.cli.doctor import setup as doctor
from marketprism_services.settings.settings import Settings


@pytest.mark.parametrize(
    ("mode", "grade", "text"),
    [(0o700, "ok", "owner's alone"), (0o750, "warning", "read by its group"), (0o755, "warning", "anybody on this")],
)
def test_a_folder_that_others_can_read_is_named(tmp_path: Path, mode: int, grade: str, text: str) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    folder.chmod(mode)
    finding = doctor._private(folder)
    assert (finding.grade, finding.what) == (grade, "privacy")
    assert text in finding.text
    assert grade == "ok" or f"chmod 700 {folder}" in finding.text


def test_a_disk_that_is_nearly_full_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert str(tmp_path) in doctor._disk(tmp_path / "data").text
    monkeypatch.setattr(doctor, "_LOW_DISK_GB", 1e9)
    assert doctor._disk(tmp_path / "data").grade == "warning"
    monkeypatch.setattr(doctor, "_FULL_DISK_GB", 1e9)
    finding = doctor._disk(tmp_path / "data")
    assert finding.grade == "wrong"
    assert "make room" in finding.text


def test_a_calendar_that_ends_soon_is_named() -> None:
    known = {"calendar": {"known_to": "2099-12-31"}}
    assert doctor.calendar_of(Settings.model_validate(known)).grade == "ok"
    finding = doctor.calendar_of(Settings())  # what the package of holidays knows
    assert finding.grade in ("ok", "warning")
    assert "closed days are announced up to" in finding.text


def test_an_embedded_store_without_its_engine_names_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    assert doctor._store(Settings()).grade == "ok"
    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "chdb" else found(name))
    finding = doctor._store(Settings())
    assert finding.grade == "wrong"
    assert "pip install 'marketprism[embedded]'" in finding.text
    store = {"engine": "clickhouse", "url": "http://writer:s3cret@127.0.0.1:8123"}
    finding = doctor._store(Settings.model_validate({"store": store}))
    assert finding.grade == "ok"
    assert "http://***@127.0.0.1:8123" in finding.text
