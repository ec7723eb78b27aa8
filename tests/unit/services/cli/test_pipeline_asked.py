"""Which pipeline a command asks: that of its data directory, or a word that it is another."""

from __future__ import annotations

from pathlib import Path

import pytest

from marketprism_services.cli.options import nats_of, settings_in_use
from marketprism_services.platform.data_dir_lock import DataDirLock, simulated_below


def test_of_a_folder_on_which_nothing_runs_it_is_said_who_is_asked_instead(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert nats_of(tmp_path, None).url == "nats://127.0.0.1:4222"
    text = " ".join(capsys.readouterr().err.split())
    assert text == f"no pipeline runs on {tmp_path}; whatever answers at nats://127.0.0.1:4222 is asked"


def test_who_names_a_server_means_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert nats_of(tmp_path, "nats://127.0.0.1:9").url == "nats://127.0.0.1:9"
    assert capsys.readouterr().err == ""


def test_where_only_the_simulated_pipeline_runs_its_folder_is_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MARKETPRISM_HOME", str(tmp_path))
    simulated = simulated_below(tmp_path)
    simulated.mkdir()
    assert settings_in_use().data_dir == tmp_path
    assert capsys.readouterr().err == ""
    with DataDirLock(simulated):
        assert settings_in_use().data_dir == simulated
        assert str(simulated) in "".join(capsys.readouterr().err.split())
        assert settings_in_use(None, tmp_path).data_dir == tmp_path  # whoever names one means it
        with DataDirLock(tmp_path):
            assert settings_in_use().data_dir == tmp_path
