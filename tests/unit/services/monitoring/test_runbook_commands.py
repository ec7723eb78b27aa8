"""Every command of every runbook is one: `marketprism` takes it as it stands, programs are known, paths are there."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from marketprism_services.monitoring.alerts import ALERTS
from marketprism_services.monitoring.objectives import BURN_ALERTS
from marketprism_services.monitoring.steps import STEPS
from tests.support.command_lines import commands_of, fault_of
from tests.support.reference import ROOT
from tests.support.runbooks import PAGES, blocks_of, lines_of, script_of


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_command_is_one(page: Path) -> None:
    found = [fault_of(words) for block in blocks_of(page) for line in lines_of(block) for words in commands_of(line)]
    assert [fault for fault in found if fault] == []


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("marketprism statu", "no command statu"),
        ("marketprism status --jsonn", "No such option"),
        ("marketprism jobs runs backup extra", "unexpected extra argument"),
        ("marketprism jobs", "is a group"),
        ("marketprism archive verify 2026-11-28", "Missing argument"),
        ("marketprism config set no.such 1 --reason x", "no such setting"),
        ("make nothing", "no such target"),
        ("nosuch --x", "no program"),
    ],
)
def test_a_wrong_command_is_found(line: str, fault: str) -> None:
    assert any(fault in fault_of(words) for words in commands_of(line))


def test_commands_are_taken_apart_as_a_shell_does() -> None:
    line = 'A=1 marketprism status --json 2>/dev/null | grep -q healthy && echo "$SERVICE"  # so'
    assert commands_of(line) == [["marketprism", "status", "--json"], ["grep", "-q", "healthy"], ["echo", "storage"]]


def test_every_block_is_clean_to_shellcheck() -> None:
    """SC2154, SC2034: what is to be given, and given, elsewhere."""
    for page in PAGES:
        script = "#!/bin/bash\n" + script_of(page)
        command = [str(Path(sys.executable).with_name("shellcheck")), "-s", "bash", "-e", "SC2154,SC2034,SC1091", "-"]
        done = subprocess.run(command, input=script, capture_output=True, text=True, check=False)
        assert done.returncode == 0, (page.name, done.stdout)


def test_every_alert_has_its_steps_and_no_other() -> None:
    assert STEPS.keys() == {alert.name for alert in (*ALERTS, *BURN_ALERTS)}
    for name, steps in STEPS.items():
        assert steps.look, name
        assert steps.act, name
        assert steps.over.endswith("."), name


def test_paths_and_events_that_pages_name_are_there() -> None:
    events = (ROOT / "docs/log-events.md").read_text(encoding="utf-8")
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        for path in re.findall(r"`?\b((?:docs|deploy|tests)/[\w./-]+\.(?:md|toml|yml|yaml|py|service|sh))", text):
            assert (ROOT / path).exists(), (page.name, path)
        for link in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text):
            assert (page.parent / link).exists(), (page.name, link)
        for event in re.findall(r"--event ([a-z_.]+)", text):
            assert event in events, (page.name, event)
