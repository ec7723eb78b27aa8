"""The list of commands, which is shown without loading them, against the commands themselves."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from typer.testing import CliRunner

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
    shared = {"__init__", "app", "options", "tables", "up_view"}
    assert {path.stem for path in FOLDER.glob("*.py")} - shared == {row.module for row in program.COMMANDS.values()}
