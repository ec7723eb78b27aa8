"""Which texts users meet: read from the sources, `{}` where a value stands, as the catalogue of a language has them."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
from typer.main import get_command

from marketprism_services.cli.gateway import DONE
from marketprism_services.cli.notices import SENTENCES
from tests.support.sources import parsed

ROOT = Path(__file__).parents[2]
_SHOWN_BY = {"print", "Stop", "status", "update", "confirm", "translate", "say", *("ok", "warning", "wrong", "judged")}


def _template(node: ast.expr) -> str | None:
    """The text of a literal, an f-string or a sum of both; None for anything else."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(str(part.value) if isinstance(part, ast.Constant) else "{}" for part in node.values)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        left, right = _template(node.left), _template(node.right)
        return left + right if left is not None and right is not None else None
    return None


def _literals(node: ast.expr, named: dict[str, list[ast.expr]]) -> Iterator[str]:
    """The texts an argument may be: its own, those of both branches of a condition, those that its name is given."""
    if isinstance(node, ast.IfExp):
        yield from _literals(node.body, named)
        yield from _literals(node.orelse, named)
    if isinstance(node, ast.Name):
        for value in named.get(node.id, []):
            yield from _literals(value, {})
    text = _template(node)
    if text is not None:
        yield text


def _is_sentence(text: str) -> bool:
    """Whether there is anything to translate: two words at least beside values and markup."""
    words = text.replace("{}", " ").split()
    return sum(any(letter.isalpha() for letter in word) for word in words) > 1


def _calls(path: Path) -> Iterator[tuple[str, bool, list[str]]]:
    """Every call: the name of what is called, whether its result is raised, and the texts it is given."""
    tree = parsed(path)
    named: dict[str, list[ast.expr]] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name):
            named.setdefault(node.targets[0].id, []).append(node.value)
    raised = {id(node.exc) for node in ast.walk(tree) if isinstance(node, ast.Raise)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            function = node.func
            name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
            texts = [text.strip() for argument in node.args for text in _literals(argument, named)]
            yield name, id(node) in raised, texts


def texts_shown() -> set[str]:
    """What the command line prints: its messages, and errors that end a command."""
    found: set[str] = set()
    for folder in ("cli", "platform"):
        for path in sorted((ROOT / "services/marketprism_services" / folder).rglob("*.py")):
            for name, _, texts in _calls(path):
                if name in _SHOWN_BY:
                    found.update(texts)
    found.update(re.sub(r"{\w+}", "{}", text) for text in (*SENTENCES.values(), *DONE.values()))
    return {text for text in found if _is_sentence(text)}


def texts_raised(*layers: str) -> set[str]:
    """The texts of errors that the layers raise, in every one of their folders."""
    found: set[str] = set()
    for layer in layers:
        for path in sorted((ROOT / layer).rglob("*.py")):
            if path.is_relative_to(ROOT / "sdk" / "veighna"):
                continue  # said by VeighNa, and not by our commands
            for _, raised, texts in _calls(path):
                if raised:
                    found.update(texts)
    return {text for text in found if _is_sentence(text)}


def texts_of_help() -> set[str]:
    """The help of every command, subcommand and parameter, a paragraph each."""
    from marketprism_services.cli.app import COMMANDS, LazyCommand, app  # noqa: PLC0415 (the language is chosen there)

    found: set[str] = {row.help for row in COMMANDS.values()}

    def look(command: Any) -> None:
        found.update(" ".join(part.split()) for part in (command.help or "").split("\n\n"))
        of_help = command.get_help_option(click.Context(command))
        for parameter in (*command.params, *((of_help,) if of_help else ())):
            found.add(getattr(parameter, "help", None) or "")
        for subcommand in getattr(command, "commands", {}).values():
            look(subcommand.load() if isinstance(subcommand, LazyCommand) else subcommand)

    look(get_command(app))
    return found - {""}
