"""Where a service listens, and how much it does at once."""

from __future__ import annotations

from dataclasses import dataclass, field

from marketprism_sdk.observability import MetricsSettings
from marketprism_sdk.service._certificates import HttpTls


@dataclass(frozen=True, slots=True)
class ServiceSettings:
    """Where the service listens. `http_port` 0 takes any free port; the registry says which. With
    `http_port_may_differ` a port that is taken is no error: any free one is taken instead, and the log says which.
    `http_names` are host names by which it is asked beside those of loopback, `http_connections` how many it
    holds at most, `http_tls` its certificate, without which it speaks HTTP in clear.

    `needs` are services of which one instance must be active before this one starts, waited for `needs_s` seconds.
    `commands_parallel` commands are done at once over all instances, in order where it is 1; `jobs_parallel` runs of
    jobs by each. `metrics` names and
    explains what is counted.
    """

    http_host: str = "127.0.0.1"
    http_port: int = 0
    http_port_may_differ: bool = False
    replicas: int = 1
    with_commands: bool = True
    commands_parallel: int = 1
    jobs_parallel: int = 4
    needs: tuple[str, ...] = ()
    needs_s: float = 60.0
    metrics: MetricsSettings = field(default_factory=MetricsSettings)
    http_names: tuple[str, ...] = ()
    http_connections: int = 1_000
    http_tls: HttpTls = field(default_factory=HttpTls)


__all__ = ["ServiceSettings"]
