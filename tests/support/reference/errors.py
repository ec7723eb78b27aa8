"""`docs/reference/errors.md`: codes of failures, exit codes of commands, exceptions of the libraries."""

from __future__ import annotations

import ast
import inspect
from enum import Enum

from marketprism_adapters.http.openapi import SERVER_CODES
from marketprism_application.contracts import failures
from marketprism_application.contracts.failures import CONSEQUENCES, Code, client_code, http_code
from marketprism_client import _failures as client_failures
from marketprism_sdk import errors as sdk_errors
from marketprism_services.platform.exits import CODES, Exit
from tests.support.reference.markdown import code, table
from tests.support.reference.texts import first_sentence, shown

_EXITS = {
    Exit.OK: "done",
    Exit.FAILED: "something was lost, doubled, or failed",
    Exit.USAGE: "wrong usage, or a wrong setting",
    Exit.INPUT: "bad input: a recording, a source",
    Exit.NATS: "trouble with NATS",
    Exit.STORE: "trouble with the store or the data directory",
    Exit.RUNNING: "it is running here already",
    Exit.INTERRUPTED: "interrupted",
}


def comments_of_members(enum: type[Enum]) -> dict[str, str]:
    """The comment behind each member of an enum, or in the line before it."""
    lines = inspect.getsource(enum).splitlines()
    found = {}
    for node in ast.parse(inspect.getsource(enum)).body[0].body:  # type: ignore[attr-defined]
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            _, _, own = lines[node.lineno - 1].partition("  # ")
            before = lines[node.lineno - 2].strip()
            own = "" if own.startswith("noqa") else own
            if not own and before.startswith("# "):
                own = before.removeprefix("# ")
            found[node.targets[0].id] = own.rstrip(".")
    return found


def _classes(module: object, root: type[BaseException]) -> list[tuple[str, str, str]]:
    found = [each for each in vars(module).values() if isinstance(each, type) and issubclass(each, root)]
    return [
        (
            code(each.__name__),
            ", ".join(code(base.__name__) for base in each.__bases__),
            shown(first_sentence(each.__doc__ or "")),
        )
        for each in found
        if each.__module__ == getattr(module, "__name__", "")
    ]


def _other(name: str, shown_as: str) -> str:
    return "" if name == shown_as else code(shown_as)


def errors_page() -> str:
    """The page."""
    meanings = comments_of_members(Code)
    codes = [
        (
            code(name),
            str(row.status),
            _other(name, http_code(name)),
            _other(name, client_code(name)),
            str(row.exit),
            shown(meanings[name]),
        )
        for name, row in CONSEQUENCES.items()
    ]
    own = [(code(name), str(status)) for status, names in SERVER_CODES.items() for name in names]
    stops = [(code(kind.__name__), str(int(stop))) for kind, stop in CODES]
    exceptions = [*_classes(client_failures, Exception), *_classes(failures, Exception)]
    return f"""# Error codes

A failure has a code, which programs compare, and a text, which names the field, the value and what was expected. Over HTTP it is
`{{success: false, error: {{code, message, details}}, …}}`; the client raises `QueryFailed` with `code`; a command prints the text and ends with
an exit code.

This page is made of the code by `make docs`.

## Codes of failures

*At HTTP* and *At the client* are the codes that each gets, where they are others: what is not the caller's to mend is `UNAVAILABLE`.

{table(("Code", "HTTP status", "At HTTP", "At the client", "Exit code", "Meaning"), codes)}

What the HTTP server says by itself, before a request is anybody's:

{table(("Code", "HTTP status"), own)}

## Exit codes

{table(("Exit code", "Name", "Meaning"), [(str(int(each)), code(each.name), _EXITS[each]) for each in Exit])}

The first of these classes that an error is of decides; an error of no class is a fault of the program, which prints its trace:

{table(("Class", "Exit code"), stops)}

## Exceptions of the client

{table(("Class", "Is a", "Meaning"), exceptions)}

## Exceptions of the SDK

`retryable` says whether the same call can succeed later.

{table(("Class", "Is a", "Meaning"), _classes(sdk_errors, Exception))}
"""
