"""Services: life cycle, handlers, one active at a time."""

from marketprism_sdk.service._handlers import command, event, marked, rpc
from marketprism_sdk.service._lifecycle import die_with_parent, run, unless, until_signalled
from marketprism_sdk.service._periodic import PeriodicJobs
from marketprism_sdk.service._service import Service, ServiceSettings
from marketprism_sdk.service._single_active import SingleActiveService, exclusive

__all__ = [
    "PeriodicJobs",
    "Service",
    "ServiceSettings",
    "SingleActiveService",
    "command",
    "die_with_parent",
    "event",
    "exclusive",
    "marked",
    "rpc",
    "run",
    "unless",
    "until_signalled",
]
