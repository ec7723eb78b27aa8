"""The list of commands, which is shown without loading them, against the commands themselves."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from marketprism_adapters.sources.registry import SOURCES
from marketprism_services.cli import app as program

FOLDER = Path(program.__file__).parent


@pytest.mark.parametrize("name", program.COMMANDS)
def test_the_list_says_what_the_command_says_of_itself(name: str) -> None:
    command = program.LazyCommand(name, program.COMMANDS[name]).load()
    first_paragraph = " ".join(command.help.split("\n\n")[0].split())
    assert command.name == name
    assert first_paragraph == program.COMMANDS[name].help


def test_the_list_has_every_command_and_each_has_its_own_help() -> None:
    listed = CliRunner().invoke(program.app, ["--help"], env={"COLUMNS": "200"}).stdout
    for name, row in program.COMMANDS.items():
        assert f" {name} " in listed
        assert row.help in listed
    own = CliRunner().invoke(program.app, ["store", "rebuild", "--help"]).stdout
    assert "--yes" in own
    assert "marketprism store rebuild [OPTIONS]" in own


def test_a_command_that_is_not_there_is_refused_with_the_nearest_name() -> None:
    refused = CliRunner().invoke(program.app, ["rebuil"])
    assert refused.exit_code == 2
    assert "'rebuild'" in refused.output


def test_no_command_imports_the_program() -> None:
    users = [
        path.name
        for path in FOLDER.glob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ImportFrom)
        and (
            node.module == "marketprism_services.cli.app"
            or (node.module == "marketprism_services.cli" and "app" in {name.name for name in node.names})
        )
    ]
    assert users == []


def test_the_modules_of_commands_are_those_of_the_list() -> None:
    shared = {
        "__init__",
        "access_changes",
        "access_desk",
        "access_logins",
        "access_people",
        "access_roles",
        "answers",
        "app",
        "backtest_data",
        "backtest_files",
        "backtest_options",
        "backtest_pool",
        "backtest_ranked",
        "backtest_recordings",
        "backtest_rows",
        "backtest_service",
        "backtest_stored",
        "backtest_sweep",
        "backtest_sweep_view",
        "backtest_view",
        "backtest_walk",
        "backup_place",
        "backup_restore",
        "clocks",
        "data_veighna",
        "jobs_of_storage",
        "days",
        "light",
        "notices",
        "options",
        "pictures",
        "tables",
        "words",
    }
    shared |= {
        "config_view",
        "data_client",
        "data_download",
        "data_download_view",
        "data_export",
        "data_files",
        "data_import",
        "data_import_view",
        "data_jobs",
        "data_jobs_view",
        "data_options",
        "data_pages",
        "data_recordings",
        "data_repair_view",
        "data_repairs",
        "data_stored",
        "data_view",
        "health_check",
        "inspect_counters",
        "jobs_view",
        "rebuild_stored",
        "up_problems",
        "up_stored",
        "up_view",
    }
    found = {path.stem for path in FOLDER.glob("*.py")} | {path.parent.name for path in FOLDER.glob("*/command.py")}
    assert found - shared == {row.module for row in program.COMMANDS.values()}


def helped(*words: str) -> str:
    shown = CliRunner().invoke(program.app, [*words, "--help"], env={"COLUMNS": "80"})
    assert shown.exit_code == 0, shown.output
    return shown.output


@pytest.mark.parametrize("name", ["", *program.COMMANDS])
def test_help_has_no_type_of_a_flag_and_no_gap_where_something_was_taken_for_markup(name: str) -> None:
    text = helped(*filter(None, [name]))
    assert "<bool>" not in text
    assert re.search(r" \.\s", text) is None


def test_the_program_says_its_version_and_completes_its_commands() -> None:
    shown = CliRunner().invoke(program.app, ["--version"])
    assert (shown.exit_code, shown.output.startswith("marketprism ")) == (0, True)
    found = CliRunner().invoke(
        program.app,
        [],
        prog_name="marketprism",
        env={"_MARKETPRISM_COMPLETE": "complete_bash", "COMP_WORDS": "marketprism dead", "COMP_CWORD": "1"},
    )
    assert "dead-letters" in found.output


def test_up_is_helped_with_every_source() -> None:
    text = " ".join(helped("up").replace("│", " ").split())
    assert all(name in text for name in ("none", *SOURCES))
