"""Which exit code an error means, and what is printed of it."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from marketprism_application.errors import (
    ApplicationError,
    DataDirError,
    EmbeddedServerError,
    LocalServerError,
    SourceError,
    StoreError,
)
from marketprism_sdk.errors import ConfigurationError, InvalidSetting, NotConnected, SdkError, StreamError
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.observability import logs
from marketprism_services.platform.data_dir_lock import DataDirInUse, DataDirLock
from marketprism_services.platform.exits import CODES, Exit, Stop, code_of, line_of, stop_of
from marketprism_services.platform.runtime import connect, service_of
from marketprism_services.settings.errors import SettingsError
from marketprism_services.settings.settings import Settings

ROOT = Path(__file__).parents[4]


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (SettingsError("x"), Exit.USAGE),
        (ConfigurationError("x"), Exit.USAGE),
        (InvalidSetting("x"), Exit.USAGE),
        (SourceError("x"), Exit.INPUT),
        (NotConnected("x"), Exit.NATS),
        (StreamError("x", retryable=True), Exit.NATS),
        (StreamError("x"), Exit.FAILED),
        (SdkError("x"), Exit.FAILED),
        (EmbeddedServerError("x"), Exit.NATS),
        (EmbeddedServerError("data directory x"), Exit.NATS),
        (DataDirError("x"), Exit.STORE),
        (LocalServerError("x"), Exit.STORE),
        (StoreError("x", retryable=True), Exit.STORE),
        (DataDirInUse("x"), Exit.RUNNING),
        (OSError("x"), Exit.FAILED),
        (Stop(Exit.INPUT, "x"), Exit.INPUT),
    ],
)
def test_an_error_has_the_exit_code_of_its_class_whatever_it_says(error: Exception, code: Exit) -> None:
    assert stop_of(error).code is code
    assert stop_of(ExceptionGroup("several", [error])).code is code


def test_no_row_of_the_table_hides_a_later_one() -> None:
    for number, (kind, _) in enumerate(CODES):
        assert not any(issubclass(kind, earlier) for earlier, _ in CODES[:number]), kind


def test_what_nobody_has_foreseen_ends_with_its_trace() -> None:
    for error in (ZeroDivisionError(), ApplicationError("x")):
        assert code_of(error) is None
        with pytest.raises(type(error)):
            stop_of(error)


def test_what_lies_below_the_command_line_raises_errors_of_its_own() -> None:
    """Only `platform` and `cli` know exit codes: settings, wiring and services are used by others too."""
    folder, users = ROOT / "services/marketprism_services", set()
    for path in folder.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module == "marketprism_services.platform.exits":
                users.add(path.relative_to(folder).parts[0])
    assert users <= {"platform", "cli", "chaos"}


async def test_a_process_without_a_server_names_the_setting() -> None:
    with pytest.raises(SettingsError, match=r"nats\.url: expected the URL of a NATS server"):
        await connect(Settings(), "x")
    with pytest.raises(SettingsError, match=r"service: expected one of aggregator, api, .*, was 'getaway'"):
        service_of("getaway", Settings(), NatsConnection.__new__(NatsConnection))


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (TimeoutError(), "no answer in time (TimeoutError)"),
        (ConnectionResetError(), "the other side closed the connection (ConnectionResetError)"),
        (OSError(), "OSError"),
        (FileNotFoundError(2, "No such file or directory", "x.csv"), "x.csv: No such file or directory"),
        (SdkError(), "SdkError"),
        (SourceError(""), "SourceError"),
        (StoreError(" "), "StoreError"),
        (NotConnected(""), "NotConnected"),
        (Stop(Exit.FAILED, ""), "Stop"),
        (ExceptionGroup("several", [TimeoutError(), OSError("no")]), "no answer in time (TimeoutError)"),
    ],
)
def test_no_error_is_told_with_nothing_behind_it(error: Exception, said: str) -> None:
    assert line_of(stop_of(error)) == said


def test_a_stop_without_words_is_told_by_what_caused_it() -> None:
    stop = Stop(Exit.NATS, str(cause := TimeoutError()))
    stop.__cause__ = cause
    assert line_of(stop_of(stop)) == "no answer in time (TimeoutError)"


def test_a_log_line_never_has_an_empty_reason() -> None:
    try:
        raise TimeoutError
    except TimeoutError as error:
        line = logs.name_wordless_errors(None, "warning", {"event": "x", "error": str(error)})
    assert line["error"] == "no answer in time (TimeoutError)"
    assert logs.name_wordless_errors(None, "warning", {"event": "x", "reason": ""})["reason"] == "no reason given"
    assert logs.name_wordless_errors(None, "warning", {"event": "x", "error": "y"})["error"] == "y"


def test_errors_are_printed_in_one_place_that_never_prints_an_empty_one() -> None:
    places = {
        path.name: re.findall(r"error:\[/red\] \{(\w+)\(", text)
        for path in (ROOT / "services").rglob("*.py")
        if "error:[/red]" in (text := path.read_text(encoding="utf-8"))
    }
    assert places == {"app.py": ["_escaped"]}
    text = (ROOT / "services/marketprism_services/cli/app.py").read_text(encoding="utf-8")
    assert "_escaped(hide(line_of(stop)))" in text


def test_a_data_directory_has_one_pipeline(tmp_path: Path) -> None:
    with DataDirLock(tmp_path), pytest.raises(DataDirInUse, match="is running on it already"), DataDirLock(tmp_path):
        pass
    with DataDirLock(tmp_path):
        pass
    (tmp_path / "file").write_text("x")
    with pytest.raises(DataDirError, match="expected a writable directory"), DataDirLock(tmp_path / "file"):
        pass
