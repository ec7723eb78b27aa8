"""How the commands of `marketprism data` ask the data service, and follow a job of it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeVar

import typer

from marketprism_application.contracts.data_jobs import JobShown
from marketprism_client import MarketClient, QueryFailed
from marketprism_sdk.errors import DeadlineExceeded, NoResponders, NotConnected
from marketprism_services.cli.data_jobs_view import JobView
from marketprism_services.cli.options import err
from marketprism_services.platform.exits import Exit, Stop

if TYPE_CHECKING:
    from marketprism_client import DataJob
    from marketprism_services.platform.nats_place import NatsPlace

T = TypeVar("T")


def ask_data(nats: NatsPlace, work: Callable[[MarketClient], Awaitable[T]], view: JobView | None = None) -> T:
    """Run one piece of work with a client. Ctrl-C leaves the job that `view` follows as it is, and says so.

    Raises:
        Stop: no data service answers, or it refuses, or the job failed.
    """

    async def go() -> T:
        async with nats.client() as market:
            return await work(market)

    try:
        return asyncio.run(go())
    except KeyboardInterrupt:
        if view is not None and view.job:
            text = (
                f"job {view.job} goes on; `marketprism data jobs {view.job} --watch` follows it, "
                f"`marketprism data cancel {view.job}` ends it"
            )
            err.print(text, highlight=False, markup=False, soft_wrap=True)
        raise typer.Exit(Exit.INTERRUPTED) from None
    except NoResponders as error:
        raise Stop(Exit.NATS, "no data service runs here; `marketprism run data` starts one") from error
    except (DeadlineExceeded, NotConnected) as error:
        raise Stop(Exit.NATS, str(error)) from error
    except QueryFailed as error:
        raise Stop(Exit(error.consequence.exit), str(error)) from error


async def followed(job: DataJob, view: JobView) -> JobShown:
    """Show how far a job is until it has ended; how it ended."""
    view.on_change(job.shown)
    with view.running():
        async for state in job.progress():
            view.on_change(state)
    return job.shown


__all__ = ["ask_data", "followed"]
