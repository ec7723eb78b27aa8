"""The command: which checks are made, and how findings are shown."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from marketprism_services.cli.doctor.finding import Finding
from marketprism_services.cli.doctor.setup import examine
from marketprism_services.cli.options import Config, DataDir, NatsUrl, out, settings_in_use
from marketprism_services.platform.exits import Exit, Stop

_NAMES = ("grade", "what", "text", "expected", "todo")
_COLOURS = {"ok": "green", "warning": "yellow", "wrong": "red"}


def doctor(
    production: Annotated[
        bool, typer.Option("--production", help="Check what people rely on too: is this fit to be run for money.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    nats_monitor: Annotated[
        list[str] | None,
        typer.Option(
            "--nats-monitor", help="With --production: http://host:8222 of a nats-server, for its own settings; repeat."
        ),
    ] = None,
    jetstream_dir: Annotated[
        Path | None,
        typer.Option("--jetstream-dir", help="With --production: where a nats-server of this machine keeps its store."),
    ] = None,
    alertmanager: Annotated[
        str | None, typer.Option("--alertmanager", help="With --production: http://host:9093, which is asked too.")
    ] = None,
    data_dir: DataDir = None,
    nats_url: NatsUrl = None,
    config: Config = None,
) -> None:
    """Check the set-up and say what is wrong.

    Ends with 1 where anything is wrong; a warning alone does not.
    """
    if not production and (nats_monitor or jetstream_dir or alertmanager):
        text = "--nats-monitor, --jetstream-dir, --alertmanager: expected --production with them, was none"
        raise Stop(Exit.USAGE, text)
    settings = settings_in_use(config, data_dir, nats_url)
    if production:
        from marketprism_services.cli.doctor.production.checks import Asked, inspect  # noqa: PLC0415 (only there)

        asked = Asked(settings, config, tuple(nats_monitor or ()), jetstream_dir, alertmanager or "")
        findings = asyncio.run(inspect(asked))
    else:
        findings = asyncio.run(examine(settings))
    if as_json:
        print(json.dumps(_as_json(findings), indent=1, ensure_ascii=False))
    else:
        _show(findings)
    if any(finding.grade == "wrong" for finding in findings):
        raise typer.Exit(Exit.FAILED)


def _as_json(findings: list[Finding]) -> dict[str, object]:
    grades = [finding.grade for finding in findings]
    return {
        "good": "wrong" not in grades,
        "wrong": grades.count("wrong"),
        "warnings": grades.count("warning"),
        "findings": [dict(zip(_NAMES, finding, strict=True)) for finding in findings],
    }


def _show(findings: list[Finding]) -> None:
    for finding in findings:
        head = _own(f"[{_COLOURS[finding.grade]}]{finding.grade:>8}[/]  ·").removesuffix("·")
        # What each part says is looked up by itself: a line as a whole would be taken for another sentence.
        _line(Text.from_markup(head).append(_sentence(finding)))
        for label, text in (("what is expected", finding.expected), ("what to do", finding.todo)):
            if text:
                _line(Text(f"          {_own(label)}: {_own(text)}", style="dim"))


def _sentence(finding: Finding) -> str:
    whole = f"{finding.what}: {finding.text}"
    what, text = _own(finding.what), _own(finding.text)
    return _own(whole) if what == finding.what and _own(whole) != whole else f"{what}: {text}"


def _line(text: Text) -> None:
    out.print(text, highlight=False, soft_wrap=True)


def _own(text: str) -> str:
    return str(out.translated(text))


__all__ = ["doctor"]
