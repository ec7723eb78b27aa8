"""Which pipeline a command asks: that of its data directory, or a word that it is another."""

from __future__ import annotations

from pathlib import Path

import pytest

from marketprism_services.cli.options import nats_of


def test_of_a_folder_on_which_nothing_runs_it_is_said_who_is_asked_instead(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert nats_of(tmp_path, None).url == "nats://127.0.0.1:4222"
    text = " ".join(capsys.readouterr().err.split())
    assert text == f"no pipeline runs on {tmp_path}; whatever answers at nats://127.0.0.1:4222 is asked"


def test_who_names_a_server_means_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert nats_of(tmp_path, "nats://127.0.0.1:9").url == "nats://127.0.0.1:9"
    assert capsys.readouterr().err == ""
