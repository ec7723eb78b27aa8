"""Which services there are: one row each, in the order in which they are started.

This list stands below everything else, because each service has a setting of its own, its HTTP port;
`platform/catalogue.py` is where a program looks a row up.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import NamedTuple


class Instances(Enum):
    """What several instances of a service are to one another."""

    SINGLE_ACTIVE = "one leads, the others stand by"
    SHARDED = "they share the partitions"
    REPLICATED = "each does all of it"


class Work(Enum):
    """What a service is busy with, which decides with whom it shares a process (`platform/units.py`)."""

    MARKET = "with every message of the market"
    STORE = "with the store, which may be embedded in it"
    ASKED = "with what it is asked, or what is due"


class ServiceRow(NamedTuple):
    """A service. `port` is the default of its HTTP server; a second instance on one machine takes a free one.

    `up` starts it, or not. `without` is what a pipeline lacks where none runs; empty where it may do without.
    `sections` of the settings, or single ones, are used by the services that name them alone; all others by every one.
    """

    name: str
    instances: Instances
    port: int
    without: str = ""
    in_up: bool = True
    sections: tuple[str, ...] = ()
    work: Work = Work.ASKED

    @property
    def wiring(self) -> str:
        """The module that makes it, as a name: what a service needs is imported only where it runs."""
        return f"marketprism_services.{self.name}.wiring"

    @property
    def rights(self) -> str:
        """The module that says what it may do on NATS."""
        return f"marketprism_services.{self.name}.rights"


# Ports that services to come are known by: no other has them.
RESERVED: Mapping[str, int] = {"collector": 8081}
_OF_GATEWAY = ("ctp", "sopt", "venue", "vnpy", "capture", "trace.every", "lease", "data.address")
# Readers first, so that nothing waits once the gateway speaks.
SERVICES = (
    ServiceRow(
        "storage", Instances.SINGLE_ACTIVE, 8083, "nothing is stored", sections=("store", "lease"), work=Work.STORE
    ),
    ServiceRow("query", Instances.REPLICATED, 8084, "nobody answers what is stored", sections=("store", "query")),
    ServiceRow("api", Instances.REPLICATED, 8080, "nobody is let in over HTTP", sections=("api",)),
    ServiceRow("aggregator", Instances.SHARDED, 8087, "no bars are made", sections=("lease",), work=Work.MARKET),
    ServiceRow("validator", Instances.SHARDED, 8088, "no ticks are validated", sections=("lease",), work=Work.MARKET),
    ServiceRow("gateway", Instances.SINGLE_ACTIVE, 8089, sections=_OF_GATEWAY, work=Work.MARKET),
    ServiceRow("monitor", Instances.REPLICATED, 8086, "nobody sees what stands still or is missing"),
    # Who has jobs starts the one, who has channels the other.
    ServiceRow(
        "scheduler", Instances.SINGLE_ACTIVE, 8085, in_up=False, sections=("scheduler", "lease", "data.daily_job")
    ),
    # Calculations: who wants them starts as many as are needed.
    ServiceRow("order", Instances.REPLICATED, 8091, in_up=False, sections=("order",)),
    # Downloads, checks and repairs of what is stored: any number of instances work.
    ServiceRow("data", Instances.SINGLE_ACTIVE, 8082, in_up=False, sections=("data", "lease")),
    # Strategies over what is stored: who runs them starts one on each host.
    ServiceRow("backtest", Instances.SINGLE_ACTIVE, 8093, in_up=False, sections=("backtest", "order", "lease")),
    ServiceRow("notifier", Instances.SINGLE_ACTIVE, 8090, in_up=False, sections=("notify", "lease")),
)
