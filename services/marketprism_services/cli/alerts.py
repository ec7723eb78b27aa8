"""`marketprism alerts`: what is wrong and who takes care of it, and whether each channel reaches its people."""

from __future__ import annotations

import getpass
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, TypeVar

import msgspec
import typer

from marketprism_sdk.errors import DeadlineExceeded, NoResponders, NotConnected, RemoteError
from marketprism_sdk.messaging import NatsBus, RpcClient
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_services.cli.options import DataDir, NatsUrl, connected, err, nats_of, out
from marketprism_services.cli.tables import Look, show_table
from marketprism_services.platform.exits import Exit, Stop

_LOOK_S, _TEST_S = 10.0, 90.0
T = TypeVar("T")
_LEAST = 6  # digits of an id that are enough to mean one

alerts = typer.Typer(help="Alerts: what is wrong, who takes care of it, whether channels work.", no_args_is_help=True)
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object per line.")]


class _Alert(msgspec.Struct):
    """What is shown of an alert; times are nanoseconds UTC."""

    id: str
    name: str
    severity: str
    starts_at: int
    ends_at: int
    open: bool
    summary: str
    labels: dict[str, str]
    acknowledged_by: str


@dataclass(frozen=True)
class _Notifier:
    """The notifier of a pipeline."""

    data_dir: Path | None
    nats_url: str | None

    def ask(self, method: str, asked: object, kind: type[T], timeout_s: float = _LOOK_S) -> T:
        """What it answers. Raises Stop: there is none, or it refuses."""

        async def go(connection: NatsConnection) -> T:
            answer = await RpcClient(NatsBus(connection)).call("notifier", method, asked, timeout_s=timeout_s)
            return msgspec.convert(answer, kind)

        try:
            return connected(nats_of(self.data_dir, self.nats_url), go)
        except NoResponders as error:
            text = "no notifier runs here, which knows the alerts; `marketprism run notifier` starts one"
            raise Stop(Exit.FAILED, text) from error
        except RemoteError as error:
            raise Stop(Exit.FAILED, error.message) from error
        except (DeadlineExceeded, NotConnected) as error:
            raise Stop(Exit.NATS, str(error)) from error


@alerts.command("list")
def list_alerts(
    all_: Annotated[bool, typer.Option("--all", help="Those that are over, too.")] = False,
    limit: Annotated[int, typer.Option(help="Most alerts, newest first.", min=1, max=1_000)] = 200,
    as_json: AsJson = False,
    data_dir: DataDir = None,
    nats_url: NatsUrl = None,
) -> None:
    """Alerts that last, the newest first; the first column is what `ack` takes."""
    found = _Notifier(data_dir, nats_url).ask("alerts", {"open": not all_, "limit": limit}, list[_Alert])
    if as_json:
        for alert in found:
            print(json.dumps(msgspec.to_builtins(alert), ensure_ascii=False))
    elif not found:
        out.print("no alert is known" if all_ else "no alert lasts")
    else:
        rows = [
            {
                "id": alert.id,
                "severity": alert.severity,
                "alert": alert.name,
                "since": _time(alert.starts_at),
                "until": _time(alert.ends_at) if not alert.open else "",
                "taken_by": alert.acknowledged_by,
                "summary": alert.summary or ", ".join(f"{n}={v}" for n, v in sorted(alert.labels.items())),
            }
            for alert in found
        ]
        columns = [name for name in rows[0] if name != "until" or all_]
        show_table(out, rows, columns, Look("alerts, UTC", last=len(rows), drop=("taken_by",)))


def _time(ts: int) -> str:
    return datetime.fromtimestamp(ts // 1_000_000_000, UTC).strftime("%Y-%m-%d %H:%M:%S") if ts else ""


@alerts.command("ack")
def acknowledge(
    alert: Annotated[str, typer.Argument(help=f"An alert as `list` shows it; {_LEAST} of its digits or more.")],
    who: Annotated[str, typer.Option(help="Who takes care of it; without it, who is logged in here.")] = "",
    data_dir: DataDir = None,
    nats_url: NatsUrl = None,
) -> None:
    """Take care of an alert: nobody else is called for it."""
    if len(alert) < _LEAST or not alert.isalnum():
        raise Stop(Exit.USAGE, f"alert: expected {_LEAST} digits of an id or more, was {alert[:40]!r}")
    notifier = _Notifier(data_dir, nats_url)
    known = notifier.ask("alerts", {"open": False, "limit": 1_000}, list[_Alert])
    meant = [each.id for each in known if each.id.startswith(alert)]
    if len(meant) != 1:
        raise Stop(Exit.FAILED, f"alert: expected one that `alerts list` shows, {alert!r} are {len(meant)} of them")
    done = notifier.ask("acknowledge", {"id": meant[0], "who": who or getpass.getuser()}, _Alert)
    text = f"{done.name} is taken care of by {done.acknowledged_by}"
    out.print(text, highlight=False, markup=False)


@alerts.command("test")
def try_channels(data_dir: DataDir = None, nats_url: NatsUrl = None) -> None:
    """Send a message over each channel and say what it answered; fails where one did not take it."""
    answers = _Notifier(data_dir, nats_url).ask("test", {}, dict[str, str], _TEST_S)
    if not answers:
        raise Stop(Exit.FAILED, "no channel is configured: a section like [notify.mail] makes one")
    for channel, wrong in answers.items():
        if wrong:
            err.print(f"{channel}: {wrong}", style="yellow", highlight=False, markup=False)
        else:
            out.print(f"{channel}: sent", highlight=False, markup=False)
    if any(answers.values()):
        raise typer.Exit(Exit.FAILED)


__all__ = ["alerts"]
