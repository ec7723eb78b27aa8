"""Lines of a shell on pages: their commands, and whether each is one, without running any."""

from __future__ import annotations

import re
import shlex
from collections.abc import Collection

from typer.core import TyperGroup
from typer.main import get_command

from marketprism_services.cli.app import LazyCommand, app
from marketprism_services.settings.settings import Settings
from marketprism_services.settings.shape import type_at
from tests.support.reference import ROOT

# Of a page's placeholders: what a reader would give.
GIVEN = {
    "CERT": "/etc/marketprism/tls.crt",
    "DUE": "2026-11-30T02:00",
    "FIRST": "2026-11-28",
    "ID": "0190",
    "JOB": "backup",
    "KEY": "/etc/marketprism/tls.key",
    "KEY_FILE": "/root/backup.key",
    "LAST": "2026-11-29",
    "LETTER": "7",
    "PORT": "8083",
    "SERVICE": "storage",
    "SYMBOL": "ru2701",
    "WHY": "runbook",
}
# Programs of the machine that runbooks may ask for, and what is built into a shell.
PROGRAMS = {
    *(
        "[",
        "awk",
        "break",
        "cat",
        "chmod",
        "chronyc",
        "cp",
        "curl",
        "cut",
        "date",
        "df",
        "echo",
        "grep",
        "head",
        "install",
    ),
    *("journalctl", "kill", "ls", "mkdir", "mv", "nats-server", "nohup", "openssl", "pip", "ps", "rm", "sed", "seq"),
    *("sleep", "ss", "sysctl", "systemctl", "tail", "ulimit", "uptime", "wait"),
}
_WORDS = {"if", "then", "else", "fi", "do", "done", "while", "until", "!", "{", "}", "nohup"}


class Wrong(Exception):
    """A command that is none."""

    def format_message(self) -> str:
        """As the parser's own errors have it."""
        return str(self)


def commands_of(line: str) -> list[list[str]]:
    """The commands of a line of a shell: words of each, what is to be given put in, redirections taken out."""
    filled = re.sub(r"\$\{?([A-Z][A-Z_0-9]*)\}?", lambda found: GIVEN.get(found[1], "given"), line)
    inner = [each for text in re.findall(r"\$\(([^()]*)\)", filled) for each in commands_of(text)]
    filled = re.sub(r"\$\(([^()]*)\)", "given", filled)
    lexer = shlex.shlex(filled, posix=True, punctuation_chars="|&;<>")
    lexer.whitespace_split, lexer.commenters = True, "#"
    words, found, skip = list(lexer), [[]], False
    for word in words:
        if skip:
            skip = False
        elif set(word) <= set("|&;"):
            found.append([])
        elif set(word) <= set("<>&"):
            if found[-1] and found[-1][-1].isdigit():
                found[-1].pop()
            skip = True
        elif found[-1] or (word not in _WORDS and not re.fullmatch(r"[A-Za-z_]\w*=.*", word)):
            found[-1].append(word)
    return [*inner, *(each for each in found if each and each[0] != "for")]


def parsed(words: list[str]) -> None:
    """Let the command line read a command without running it. Raises the errors of its parser."""
    command, rest = get_command(app), words[1:]
    while isinstance(command, TyperGroup) and rest and not rest[0].startswith("-"):
        found = command.get_command(command.context_class(command), rest[0])
        if found is None:
            raise Wrong(f"no command {rest[0]}")
        command, rest = found.load() if isinstance(found, LazyCommand) else found, rest[1:]
    if isinstance(command, TyperGroup):
        raise Wrong(f"{' '.join(words)} is a group")
    command.make_context("it", list(rest))


def fault_of(words: list[str], programs: Collection[str] = PROGRAMS) -> str:
    """What is wrong with a command; empty where nothing is. `programs` are those beside `marketprism` and `make`."""
    if words[0] == "marketprism":
        if words[1:] in (["--version"], ["--help"]):
            return ""
        try:
            parsed(words)
        except Exception as error:
            if not hasattr(error, "format_message"):  # typer brings a parser of its own, or has that of click
                raise
            return f"{' '.join(words)}: {error.format_message()}"
        if words[1:3] == ["config", "set"] and type_at(Settings, words[3].split(".")) is None:
            return f"{words[3]}: no such setting"
        return ""
    if words[0] == "make":
        targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
        return (
            ""
            if {word for word in words[1:] if "=" not in word} <= set(targets)
            else f"{' '.join(words)}: no such target"
        )
    return "" if words[0] in programs else f"{words[0]}: no program that a page may ask for"


__all__ = ["PROGRAMS", "commands_of", "fault_of"]
