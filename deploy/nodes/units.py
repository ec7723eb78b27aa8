"""Drop-ins of units: several services in one process, and a nats-server that is one of a cluster.

Everything else is in the units of `deploy/systemd`, which `install.sh` puts on a machine.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

TOGETHER, GUARDED = "together.conf", "guarded.conf"
_UNITS = Path(__file__).parents[1] / "systemd"
_MEMORY = "MemoryMax="


def _lines_of(service: str) -> Iterator[str]:
    """What a service's unit has beyond that of all services."""
    for path in sorted((_UNITS / f"marketprism@{service}.service.d").glob("*.conf")):
        for line in path.read_text(encoding="utf-8").splitlines():
            if line and not line.startswith(("#", "[")):
                yield line


def _gigabytes(line: str) -> float:
    size = line.removeprefix(_MEMORY)
    if not size.endswith("G"):
        raise ValueError(f"{line}: expected gigabytes, like 4G")
    return float(size.removesuffix("G"))


def together(services: Sequence[str], command: Sequence[str]) -> str:
    """The drop-in: the command of all, the password of each, and what the strictest of them could not live with.

    Raises:
        ValueError: the unit of a service says its memory in another unit than gigabytes.
    """
    more = [line for service in services for line in _lines_of(service)]
    memory = max((line for line in more if line.startswith(_MEMORY)), key=_gigabytes, default="")
    lines = [f"# {', '.join(services)}: one process. Written by deploy/nodes.", "[Service]", "ExecStart="]
    lines += [f"ExecStart={' '.join(command)}"]
    lines += [f"LoadCredential={name}:/etc/marketprism/nats/users/{name}" for name in services[1:]]
    lines += dict.fromkeys(line for line in more if not line.startswith(_MEMORY))
    lines += [memory] if memory else []
    return "\n".join(lines) + "\n"


def guarded_server(command: Sequence[str]) -> str:
    """The drop-in of a nats-server that ends while its disk stalls: the others lead its streams meanwhile."""
    lines = ["# It watches its disk (`marketprism nats serve`). Written by deploy/nodes.", "[Service]", "ExecStart="]
    lines += [f"ExecStart={' '.join(command)}"]
    return "\n".join(lines) + "\n"


__all__ = ["GUARDED", "TOGETHER", "guarded_server", "together"]
