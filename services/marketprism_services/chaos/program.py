"""This program as a child of a trial."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from marketprism_sdk.testing import Child


def _unheard(_: Child, __: dict[str, Any]) -> None:
    """What a service says on standard output is nothing a trial needs."""


async def start_program(
    name: str, *arguments: str, on_line: Callable[[Child, dict[str, Any]], None] = _unheard
) -> Child:
    """`marketprism <arguments>`, started; `on_line` hears each JSON object of its standard output."""
    command = [sys.executable, "-m", "marketprism_services", *arguments]
    child = Child(command, on_line, name=name, env={"PYTHONPATH": os.pathsep.join(sys.path)})
    await child.start()
    return child


async def start_service(service: str, config: Path) -> Child:
    """`marketprism run <service>` with a settings file."""
    return await start_program(service, "run", service, "--config", str(config))
