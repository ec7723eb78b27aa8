"""The shipped compose file as the real Compose reads it, and the rules that every service of ours keeps."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[3]
FILE = ROOT / "deploy/compose/compose.yaml"
PROFILES = ("small", "full")
# The binary itself: the script of its package ends with 0 whatever it says.
COMPOSE = Path(str(find_spec("compose").origin)).with_name("docker-compose")  # type: ignore[union-attr]
_SECRET_NAMES = ("PASSWORD", "TOKEN", "SECRET", "SEED", "KEY", "CREDENTIAL")


def compose(*arguments: str, file: Path = FILE) -> subprocess.CompletedProcess[str]:
    """What Compose answers about a file; no engine is needed."""
    command = [str(COMPOSE), "-f", str(file), "--project-directory", str(FILE.parent), *arguments]
    return subprocess.run(
        command, capture_output=True, text=True, check=False, env={"PATH": "/usr/bin:/bin", "HOME": "/"}
    )


def services_of(profile: str) -> dict[str, dict[str, Any]]:
    """The services of a profile, with every anchor and default resolved."""
    told = compose("--profile", profile, "config", "--format", "json")
    assert told.returncode == 0, told.stderr
    found: dict[str, dict[str, Any]] = json.loads(told.stdout)["services"]
    return found


def faults_of(name: str, service: dict[str, Any]) -> Iterator[str]:
    """What a service lacks, a sentence each."""
    limits = service.get("deploy", {}).get("resources", {}).get("limits", {})
    for limit in ("cpus", "memory", "pids"):
        if not limits.get(limit):
            yield f"{name}: no limit of {limit}"
    if not service.get("healthcheck", {}).get("test"):
        yield f"{name}: no health check"
    if not service.get("read_only"):
        yield f"{name}: its root can be written"
    if service.get("cap_drop") != ["ALL"] or service.get("cap_add"):
        yield f"{name}: has capabilities"
    if "no-new-privileges:true" not in service.get("security_opt", []):
        yield f"{name}: may gain privileges"
    if str(service.get("user", "0")).split(":")[0] in ("0", "root", ""):
        yield f"{name}: runs as root"
    if service.get("privileged") or "host" in (service.get("network_mode"), service.get("pid"), service.get("ipc")):
        yield f"{name}: is part of the host"
    _, colon, tag = str(service.get("image", "")).rpartition("/")[2].partition(":")
    if not colon or tag.startswith("latest"):
        yield f"{name}: no version of its image"
    for port in service.get("ports", []):
        if port.get("host_ip") != "127.0.0.1":
            yield f"{name}: port {port.get('published')} beyond this machine"
    for key, value in (service.get("environment") or {}).items():
        if any(word in key.upper() for word in _SECRET_NAMES) and not key.upper().endswith("FILE"):
            yield f"{name}: a secret in the environment, {key}"
        if "@" in str(value) and "://" in str(value):
            yield f"{name}: a password in the environment, {key}"
    for mount in service.get("volumes", []):
        if mount["type"] == "bind" and not mount.get("read_only"):
            yield f"{name}: writes into {mount['source']}"
        if "docker.sock" in str(mount.get("source")):
            yield f"{name}: holds the engine"


__all__ = ["COMPOSE", "FILE", "PROFILES", "ROOT", "compose", "faults_of", "services_of"]
