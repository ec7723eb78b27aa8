"""Settings of the services that a trial starts: its own NATS and folder, and no port that two of them could want."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from marketprism_sdk.urls import Url
from marketprism_services.platform.catalogue import names
from marketprism_services.settings.settings import Settings


def trial_settings(
    given: Settings, nats_url: str, data_dir: Path, *, spec: str | None = None, **sections: Any
) -> Settings:
    """The settings a trial was given, with what it has of its own; `sections` stand for whole ones.

    Its source was read through already, unless `spec` names another one.
    """
    source = {"checked": True} if spec is None else {"spec": spec}
    return given.model_copy(
        update={
            "nats": replace(given.nats, url=Url(nats_url)),
            "http": given.http.with_ports(**dict.fromkeys(names(), 0)),
            "source": given.source.model_copy(update=source),
            "data_dir": data_dir,
            **sections,
        }
    )
