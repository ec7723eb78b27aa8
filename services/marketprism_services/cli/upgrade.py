"""`marketprism upgrade`: what an upgrade to this program would meet."""

from __future__ import annotations

import asyncio

import typer
from rich.markup import escape

from marketprism_sdk.errors import SdkError
from marketprism_services.cli.options import Config, DataDir, NatsUrl, out, settings_in_use
from marketprism_services.platform.exits import Exit, Stop
from marketprism_services.platform.nats_place import NatsPlace
from marketprism_services.platform.upgrade_check import NOTE, OK, REFUSED, Finding, check_upgrade
from marketprism_services.settings.settings import Settings

upgrade = typer.Typer(help="Upgrading: what runs and is stored, held against this program.", no_args_is_help=True)
_DEFAULT_URL = "nats://127.0.0.1:4222"
_COLOURS = {OK: "green", NOTE: "yellow", REFUSED: "red"}


@upgrade.callback()
def _group() -> None:
    """A group, although it has one command."""


@upgrade.command()
def check(data_dir: DataDir = None, nats_url: NatsUrl = None, config: Config = None) -> None:
    """Say what this program would refuse, which migrations it would apply, and whether the way back stays open.

    Asks the system that runs and changes nothing. Ends with 1 where something would be refused.
    """
    settings = settings_in_use(config, data_dir, nats_url)
    findings = asyncio.run(_look(settings))
    for finding in findings:
        line = escape(f"{finding.what}: {finding.text}")
        out.print(f"[{_COLOURS[finding.grade]}]{finding.grade:>8}[/]  {line}", highlight=False, soft_wrap=True)
    refused = sum(finding.grade == REFUSED for finding in findings)
    if refused:
        out.print(f"would be refused: {refused}; nothing was changed", style="red", highlight=False)
        raise typer.Exit(Exit.FAILED)
    out.print("nothing would be refused", style="green")


async def _look(settings: Settings) -> list[Finding]:
    nats = NatsPlace.of(settings, settings.data_dir, _DEFAULT_URL)
    try:
        connection = await nats.open("upgrade", connect_timeout_s=5)
    except SdkError as error:
        raise Stop(Exit.NATS, f"upgrade check: expected a NATS server that answers: {error}") from error
    try:
        return await check_upgrade(connection, settings)
    finally:
        await connection.close()
