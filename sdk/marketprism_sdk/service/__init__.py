"""Services: life cycle, handlers, one active at a time."""

from marketprism_sdk.service._handlers import command, event, marked, rpc
from marketprism_sdk.service._leading import Lapsed, until_leading, while_leading
from marketprism_sdk.service._lifecycle import die_with_parent, run, unless, until_signalled
from marketprism_sdk.service._periodic import PeriodicJobs
from marketprism_sdk.service._service import Service, ServiceSettings
from marketprism_sdk.service._sharded import ShardedService
from marketprism_sdk.service._single_active import SingleActiveService, leader_only
from marketprism_sdk.service._work import Work

__all__ = [
    "Lapsed",
    "PeriodicJobs",
    "Service",
    "ServiceSettings",
    "ShardedService",
    "SingleActiveService",
    "Work",
    "command",
    "die_with_parent",
    "event",
    "leader_only",
    "marked",
    "rpc",
    "run",
    "unless",
    "until_leading",
    "until_signalled",
    "while_leading",
]
