"""A limit of descriptors is raised as far as it may be, and too low a one is refused before anything starts."""

from __future__ import annotations

import resource
import subprocess
import sys

import pytest

_LIMIT = """
import resource
from marketprism_services.platform.descriptors import limit
print(limit(), *resource.getrlimit(resource.RLIMIT_NOFILE))
"""


def bounded(soft: int, hard: int, *command: str) -> subprocess.CompletedProcess[str]:
    def bound() -> None:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))

    return subprocess.run([sys.executable, *command], capture_output=True, text=True, check=False, preexec_fn=bound)


def test_a_low_limit_is_raised_to_what_the_process_may_have() -> None:
    assert bounded(64, 900, "-c", _LIMIT).stdout.split() == ["900", "900", "900"]


@pytest.mark.parametrize(
    ("command", "needed"),
    [(("up", "--source", "sim"), 256), (("run", "storage"), 256), (("run", "query"), 64)],
)
def test_too_few_are_refused_with_what_to_do(command: tuple[str, ...], needed: int) -> None:
    done = bounded(60, 60, "-m", "marketprism_services", *command)
    text = f"file descriptors: expected at least {needed} for this process, was 60: raise the limit, as with `ulimit -n"
    assert (done.returncode, text in " ".join(done.stderr.split())) == (2, True), done.stderr
