"""The list for `pip install --require-hashes`: what pip would install, each file with its hash."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.lock import lines_of


def item(name: str, version: str, **download: Any) -> dict[str, Any]:
    return {"metadata": {"name": name, "version": version}, "download_info": download}


def test_a_line_has_a_version_and_the_hash_of_its_file_and_our_own_folder_is_left_out() -> None:
    digest = "ab" * 32
    archive = {"archive_info": {"hashes": {"sha256": digest}}, "url": "https://index.example/typer.whl"}
    report = {
        "install": [
            item("typer", "0.15.1", **archive),
            item("PyYAML", "6.0", **archive),
            item("marketprism", "0.1.0", dir_info={"editable": False}),
        ]
    }
    assert lines_of(report) == [f"pyyaml==6.0 --hash=sha256:{digest}", f"typer==0.15.1 --hash=sha256:{digest}"]


def test_a_file_without_a_hash_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="typer: expected the sha256 of its file"):
        lines_of({"install": [item("typer", "1", archive_info={})]})
