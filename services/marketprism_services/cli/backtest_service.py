"""`marketprism backtest submit|list|show|cancel`: runs and sweeps of the backtest service of a pipeline."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Annotated, TypeVar

import msgspec
import typer

from marketprism_services.cli.backtest_options import params_of
from marketprism_services.cli.options import DataDir, From, NatsUrl, To, ask, err, nats_of, out
from marketprism_services.cli.tables import Look, show_table
from marketprism_services.platform.exits import Exit

if TYPE_CHECKING:
    from marketprism_application.contracts.backtests import Shown, Submitted
    from marketprism_client import MarketClient

T = TypeVar("T")
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object in the last line.")]
RunId = Annotated[str, typer.Argument(help="Name of the run, as `submit` and `list` show it.")]


def submit(
    strategy: Annotated[str, typer.Argument(help="package.module:Class of a package that the service allows.")],
    instruments: Annotated[list[str], typer.Argument(help="Stored instruments.")],
    param: Annotated[list[str] | None, typer.Option("--param", help="name=value; several times.")] = None,
    space: Annotated[
        list[str] | None, typer.Option("--space", help="name=5:50:5 or name=5,10,20: a sweep; several times.")
    ] = None,
    interval: Annotated[str, typer.Option(help="Of the bars: 1m 5m 1h 1d …")] = "",
    fill: Annotated[str, typer.Option(help="What fills orders: bar, quote, trade or queue.")] = "bar",
    start: From = None,
    end: To = None,
    venue: Annotated[str, typer.Option(help="The exchange or the market of the data.")] = "",
    setting: Annotated[
        list[str] | None, typer.Option("--set", help="name=value of the options of `backtest run`; several times.")
    ] = None,
    constraint: Annotated[str, typer.Option(help="Which sets of a sweep are tried: 'fast < slow'.")] = "",
    objective: Annotated[str, typer.Option(help="What the runs of a sweep are ranked by.")] = "sharpe",
    method: Annotated[str, typer.Option(help="Of a sweep: grid, random or sobol.")] = "grid",
    samples: Annotated[int, typer.Option(help="Sets that random and sobol draw.")] = 100,
    kernel: Annotated[
        bool,
        typer.Option("--kernel", help="Of a sweep: rank the sets by the strategy's signals, run the best by events."),
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Run what is known already.")] = False,
    wait: Annotated[bool, typer.Option("--wait", help="Wait for its end; exit 1 where it fails.")] = False,
    as_json: AsJson = False,
    data_dir: DataDir = None,
    nats_url: NatsUrl = None,
) -> None:
    """Have the backtest service run a strategy over stored rows, or sweep it over a space of parameters."""
    fields: dict[str, object] = {
        "params": params_of(param or []),
        "interval": interval,
        "mode": fill,
        "from_": start or "",
        "to": end or "",
        "venue": venue,
        "settings": {name: _value(text) for name, text in params_of(setting or []).items()},
        "force": force,
    }

    async def give(market: MarketClient) -> Submitted:
        if not space:
            return await market.backtests.run(strategy, instruments, **fields)
        values: dict[str, object] = dict(params_of(space))
        more = {"constraint": constraint, "objective": objective, "method": method, "samples": samples}
        return await market.backtests.sweep(strategy, instruments, values, kernel=kernel, **fields, **more)

    async def given_and_ended(market: MarketClient) -> tuple[Submitted, Shown | None]:
        found = await give(market)
        return found, await market.backtests.ended(found.run_id) if wait else None

    found, seen = _asked(given_and_ended, data_dir, nats_url)
    for each in found.remarks:
        err.print(each, style="yellow", highlight=False, markup=False)
    if as_json:
        print(msgspec.json.encode(found if seen is None else seen).decode())
    elif seen is None:
        known = "known" if found.cached else "under way" if found.following else found.state.value
        err.print(f"{found.run_id} {known}", highlight=False, markup=False)
    else:
        _show(seen)
    if seen is not None and seen.state != "done":
        raise typer.Exit(Exit.FAILED)


def list_runs(
    strategy: Annotated[str, typer.Option(help="Of this strategy alone.")] = "",
    state: Annotated[str, typer.Option(help="queued, running, done, failed or cancelled.")] = "",
    limit: Annotated[int, typer.Option(help="At most so many, the newest first.")] = 20,
    as_json: AsJson = False,
    data_dir: DataDir = None,
    nats_url: NatsUrl = None,
) -> None:
    """Runs, sweeps and walk-forwards of the backtest service, the newest first."""

    async def listed(market: MarketClient) -> list[Shown]:
        return await market.backtests.list(strategy=strategy, state=state, limit=limit)

    found = _asked(listed, data_dir, nats_url)
    if as_json:
        print(msgspec.json.encode(found).decode())
        return
    rows: list[dict[str, object]] = [
        {
            "run": each.run_id,
            "kind": each.kind,
            "state": each.state,
            "done": f"{each.progress.done}/{each.runs}",
            "strategy": each.strategy,
            "instruments": ", ".join(each.instruments[:3]),
            "net": each.summary.get("net", ""),
            "user": each.user,
        }
        for each in found
    ]
    names = ["run", "kind", "state", "done", "strategy", "instruments", "net", "user"]
    show_table(out, rows, names, Look("", last=len(rows)))


def show(run_id: RunId, as_json: AsJson = False, data_dir: DataDir = None, nats_url: NatsUrl = None) -> None:
    """What has become of a run, a sweep or a walk-forward."""

    def one(market: MarketClient) -> Awaitable[Shown]:
        return market.backtests.get(run_id)

    seen = _asked(one, data_dir, nats_url)
    if as_json:
        print(msgspec.json.encode(seen).decode())
    else:
        _show(seen)


def cancel(run_id: RunId, as_json: AsJson = False, data_dir: DataDir = None, nats_url: NatsUrl = None) -> None:
    """End a run, a sweep or a walk-forward."""

    def end(market: MarketClient) -> Awaitable[Shown]:
        return market.backtests.cancel(run_id)

    seen = _asked(end, data_dir, nats_url)
    if as_json:
        print(msgspec.json.encode(seen).decode())
    else:
        err.print(f"{seen.run_id} {seen.state}", highlight=False, markup=False)


def _asked(work: Callable[[MarketClient], Awaitable[T]], data_dir: DataDir, nats_url: NatsUrl) -> T:
    return ask(nats_of(data_dir, nats_url), work)


def _value(text: str) -> object:
    return {"true": True, "false": False}.get(text, text)


def _show(seen: Shown) -> None:
    shown = {name: value for name, value in seen.summary.items() if not isinstance(value, dict | list)}
    # How far the best of a sweep can be trusted stands before it.
    best = seen.summary.get("best")
    if isinstance(best, dict):
        shown |= {f"best.{name}": best.get(name) for name in ("params", "net", "value")}
    head = {"run": seen.run_id, "kind": seen.kind, "state": seen.state, "done": f"{seen.done}/{seen.runs}"}
    rows: list[dict[str, object]] = [{"what": name, "value": value} for name, value in {**head, **shown}.items()]
    show_table(out, rows, ["what", "value"], Look("", last=len(rows)))
    if seen.error:
        err.print(f"{seen.code}: {seen.error}", style="red", highlight=False, markup=False)


__all__ = ["cancel", "list_runs", "show", "submit"]
