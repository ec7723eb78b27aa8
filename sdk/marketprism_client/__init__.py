"""What other programs import: live market data, stored market data, and whatever else the read service answers.

`SyncMarketClient` for notebooks and scripts, `MarketClient` for programs with an event loop: the same methods. `ask`
takes any of `questions`, typed. `backtest` runs a strategy over a table of bars, here and without any service.
"""

from typing import TYPE_CHECKING

from marketprism_sdk.lazy import lazy_names

if TYPE_CHECKING:
    from marketprism_application.contracts import questions
    from marketprism_application.contracts.data_answers import CheckReport, RepairReport, Verdicts
    from marketprism_application.contracts.replays import ReplayPosition
    from marketprism_backtest import backtest
    from marketprism_client._answer import Answer
    from marketprism_client._client import MarketClient
    from marketprism_client._data_job import DataJob, DataJobFailed
    from marketprism_client._failures import QueryFailed, UnknownSymbol, UnknownVenue
    from marketprism_client._loop_thread import SyncStream
    from marketprism_client._stream import LiveStream
    from marketprism_client._sync import SyncMarketClient
    from marketprism_client._sync_data import SyncDataJob
else:
    __getattr__ = lazy_names(
        __name__,
        {
            "marketprism_application.contracts": ("questions",),
            "marketprism_application.contracts.replays": ("ReplayPosition",),
            "marketprism_backtest": ("backtest",),
            "marketprism_client._answer": ("Answer",),
            "marketprism_client._client": ("MarketClient",),
            "marketprism_client._data_job": ("DataJob", "DataJobFailed"),
            "marketprism_application.contracts.data_answers": ("CheckReport", "RepairReport", "Verdicts"),
            "marketprism_client._failures": ("QueryFailed", "UnknownSymbol", "UnknownVenue"),
            "marketprism_client._stream": ("LiveStream",),
            "marketprism_client._loop_thread": ("SyncStream",),
            "marketprism_client._sync": ("SyncMarketClient",),
            "marketprism_client._sync_data": ("SyncDataJob",),
        },
    )

__all__ = [
    "Answer",
    "CheckReport",
    "DataJob",
    "DataJobFailed",
    "LiveStream",
    "MarketClient",
    "QueryFailed",
    "RepairReport",
    "ReplayPosition",
    "SyncDataJob",
    "SyncMarketClient",
    "SyncStream",
    "UnknownSymbol",
    "UnknownVenue",
    "Verdicts",
    "backtest",
    "questions",
]
