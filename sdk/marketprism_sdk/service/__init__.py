"""Services: life cycle, handlers, one active at a time."""

from typing import TYPE_CHECKING

from marketprism_sdk.lazy import lazy_names

if TYPE_CHECKING:
    from marketprism_sdk.service._certificates import HttpTls
    from marketprism_sdk.service._child_process import die_with_parent, end_process
    from marketprism_sdk.service._handlers import command, event, http, job, marked, rpc
    from marketprism_sdk.service._http_limits import is_loopback
    from marketprism_sdk.service._leading import Lapsed, until_leading, while_leading
    from marketprism_sdk.service._lifecycle import run, unless, until_signalled
    from marketprism_sdk.service._periodic import PeriodicJobs
    from marketprism_sdk.service._service import Service
    from marketprism_sdk.service._service_settings import ServiceSettings
    from marketprism_sdk.service._sharded import ShardedService
    from marketprism_sdk.service._single_active import SingleActiveService, leader_only
    from marketprism_sdk.service._work import Work
else:
    __getattr__ = lazy_names(
        __name__,
        {
            "marketprism_sdk.service._certificates": ("HttpTls",),
            "marketprism_sdk.service._handlers": (
                "command",
                "event",
                "http",
                "job",
                "marked",
                "rpc",
            ),
            "marketprism_sdk.service._http_limits": ("is_loopback",),
            "marketprism_sdk.service._leading": (
                "Lapsed",
                "until_leading",
                "while_leading",
            ),
            "marketprism_sdk.service._lifecycle": (
                "run",
                "unless",
                "until_signalled",
            ),
            "marketprism_sdk.service._child_process": ("die_with_parent", "end_process"),
            "marketprism_sdk.service._periodic": ("PeriodicJobs",),
            "marketprism_sdk.service._service": ("Service",),
            "marketprism_sdk.service._service_settings": ("ServiceSettings",),
            "marketprism_sdk.service._sharded": ("ShardedService",),
            "marketprism_sdk.service._single_active": (
                "SingleActiveService",
                "leader_only",
            ),
            "marketprism_sdk.service._work": ("Work",),
        },
    )

__all__ = [
    "HttpTls",
    "Lapsed",
    "PeriodicJobs",
    "Service",
    "ServiceSettings",
    "ShardedService",
    "SingleActiveService",
    "Work",
    "command",
    "die_with_parent",
    "end_process",
    "event",
    "http",
    "is_loopback",
    "job",
    "leader_only",
    "marked",
    "rpc",
    "run",
    "unless",
    "until_leading",
    "until_signalled",
    "while_leading",
]
