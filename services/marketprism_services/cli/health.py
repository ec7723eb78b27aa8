"""`marketprism health`: whether a service says that it is well, for checks of containers."""

from __future__ import annotations

from typing import Annotated

import typer

from marketprism_services.cli.health_check import OK, check


def health(
    service: Annotated[
        str,
        typer.Argument(help="Whom to ask, several joined by +; without, what process 1 runs, as in a container."),
    ] = "",
    ready: Annotated[
        bool, typer.Option("--ready", help="Whether it is ready, a standby too; without, whether it is healthy.")
    ] = False,
    url: Annotated[str, typer.Option(help="Where it listens, where that is not by the settings.")] = "",
    timeout_s: Annotated[float, typer.Option(help="Seconds that an answer may take.", min=0.1, max=600.0)] = 4.0,
) -> None:
    """Ask a service whether it is well: exit code 0, or 1 and the reason."""
    given = [*([service] if service else []), *(["--ready"] if ready else []), "--timeout-s", str(timeout_s)]
    code = check([*given, *(["--url", url] if url else [])])
    if code is None or code != OK:
        raise typer.Exit(1 if code is None else code)


__all__ = ["health"]
