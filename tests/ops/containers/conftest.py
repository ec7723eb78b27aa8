"""One engine, one base and one image for all drills with containers: each is made once, without any registry."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.ops.containers.engine import Engine, install_packages

PATHS = ("ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",)
BASE = "marketprism-drill/base:bookworm"
EPOCH = "1700000000"


@pytest.fixture(scope="session")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """An engine that has the base; `DRILL_BASE` names an archive that is kept for the next time."""
    if os.geteuid() != 0:
        pytest.skip("an engine of containers needs root")
    install_packages()
    folder = tmp_path_factory.mktemp("engine")
    with Engine.start(folder) as found:
        kept = Path(os.environ.get("DRILL_BASE", folder / "base.tar"))
        if not kept.exists():
            found.script("deploy/image/base.sh", str(kept))
        found.run("import", "--change", PATHS[0], str(kept), BASE)
        yield found


@pytest.fixture(scope="session")
def build(engine: Engine) -> Callable[..., str]:
    """Builds a variant of the image by the shipped script and returns its tag; the wheels are collected once."""
    made: list[str] = []
    python = shutil.which("python3.11") or sys.executable  # the Python of the base

    def run(variant: str, tag: str = "", *more: str) -> str:
        tag = tag or f"marketprism-drill/{variant}:1"
        given = {name: os.environ[name] for name in os.environ if name.startswith("PIP_")}
        keep = "keep" if made or os.environ.get("DRILL_WHEELS") == "keep" else ""
        if tag not in made:
            environment = {"BASE": BASE, "PYTHON": python, "WHEELS": keep, "SOURCE_DATE_EPOCH": EPOCH}
            arguments = (variant, tag, "--network", "none", *more)
            engine.script("deploy/image/build.sh", *arguments, **environment, **given)
            made.append(tag)
        return tag

    return run
