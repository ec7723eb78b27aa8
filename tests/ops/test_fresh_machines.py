"""Three machines that have nothing but Debian become three nodes by the page alone, and one of them is replaced.

Each is booted by systemd: its units, their sandbox, control groups and credentials are the kernel's own.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from deploy.nodes.lab import Lab

from tests.ops.machines import PROGRAMS, Machine, debian
from tests.ops.test_deployment_pages import commands, run

ROOT = Path(__file__).parents[2]
PAGE = "three-nodes.md"
SUBNET = "10.79.0"
_FIT_S = 240.0

pytestmark = [
    pytest.mark.ops,
    pytest.mark.timeout(1_800),
    pytest.mark.skipif(
        os.geteuid() != 0 or any(shutil.which(program) is None for program in PROGRAMS),
        reason=f"needs root, {', '.join(PROGRAMS)}",
    ),
]


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel and whatever it needs, for machines that reach no package index."""
    folder = tmp_path_factory.mktemp("packages")
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "-w", str(folder), "-c", str(ROOT / "constraints.txt")]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    subprocess.run([*pip, f"{ROOT}[server]"], check=True, env=environment | {"MARKETPRISM_COMPILED": "0"})
    return folder


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    made = Lab(tmp_path / "lab", "fresh", SUBNET)
    made.begin()
    yield made
    made.down()


@pytest.fixture
def machines(lab: Lab, tmp_path: Path, packages: Path) -> Iterator[list[Machine]]:
    system = debian(tmp_path)
    made = [Machine(host, system, tmp_path / host.name, packages) for host in lab.nodes]
    yield made
    for machine in made:
        machine.remove()


def files(lab: Lab, folder: Path) -> None:
    """The page's command, with the addresses and users of this team in place of its own."""
    (line, _) = commands(PAGE, "files")
    line = line.replace("10.77.0.", f"{SUBNET}.")
    for said, ours in zip(("writer:secret", "reader:secret"), lab.team.store_users, strict=True):
        assert said in line
        line = line.replace(said, ours)
    done = run(line, folder)
    assert done.returncode == 0, done.stderr


def install(machine: Machine, number: int, folder: Path, packages: Path) -> None:
    """What the page has typed here for a node, and then there."""
    (wheel,) = packages.glob("marketprism-*.whl")
    machine.send(folder / "team" / f"node-{number + 1}", "node")
    machine.send(ROOT / "deploy" / "systemd", "systemd")
    machine.send(wheel, wheel.name)
    machine.run("\n".join(commands(PAGE, "each node")), {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": "/packages"})


def until_fit(folder: Path) -> str:
    """What `status` says once nothing is wrong."""
    script = "\n".join(commands(PAGE, "see")).replace("10.77.0.", f"{SUBNET}.")
    end = time.monotonic() + _FIT_S
    while (said := run(script, folder)).returncode:
        assert time.monotonic() < end, said.stdout + said.stderr
        time.sleep(2.0)
    return said.stdout


def units(machine: Machine) -> dict[str, str]:
    """Each unit of ours with its state."""
    lines = machine.run("systemctl list-units --all --plain --no-legend 'marketprism*'").stdout.splitlines()
    return {line.split()[0]: line.split()[2] for line in lines}


def shown(machine: Machine, unit: str, name: str) -> str:
    """A property of a unit."""
    return machine.run(f"systemctl show -p {name} --value {unit}").stdout.strip()


def held_as_promised(machine: Machine, unit: str) -> None:
    """A process that stands still is started again, and one that is asked to end does so in order."""
    before = int(shown(machine, unit, "NRestarts"))
    machine.run(f"kill -STOP {shown(machine, unit, 'MainPID')}")
    end = time.monotonic() + _FIT_S
    while int(shown(machine, unit, "NRestarts")) == before or shown(machine, unit, "ActiveState") != "active":
        assert time.monotonic() < end, machine.run(f"journalctl -u {unit} -n 40 --no-pager").stdout
        time.sleep(1.0)
    assert "watchdog" in machine.run(f"journalctl -u {unit} --no-pager").stdout.lower()
    machine.run(f"systemctl stop {unit}")
    assert (shown(machine, unit, "Result"), shown(machine, unit, "ExecMainStatus")) == ("success", "0")
    machine.run(f"systemctl start {unit}")  # which waits until it is ready


def test_three_fresh_machines_by_the_page_alone(
    lab: Lab, machines: list[Machine], packages: Path, tmp_path: Path
) -> None:
    files(lab, tmp_path)
    begin_s = time.monotonic()
    for number, machine in enumerate(machines):
        machine.boot()
        install(machine, number, tmp_path, packages)
    installed_s = time.monotonic() - begin_s
    status = until_fit(tmp_path)
    print(f"installed in {installed_s:.0f} s, fit after {time.monotonic() - begin_s:.0f} s\n{status}")
    for machine in machines:
        states = units(machine)
        assert set(states.values()) == {"active"}, (states, machine.run("journalctl -n 60 --no-pager").stdout)
        assert len(states) >= 4  # target, NATS and two processes
        failed = machine.run("systemctl list-units --failed --plain --no-legend").stdout
        assert "marketprism" not in failed
        services = [name for name in states if "@" in name]
        assert machine.run(f"systemctl show -p MemoryMax --value {services[0]}").stdout.strip().isdigit()
        assert "marketprism-nats" in machine.run("stat -c %U /etc/marketprism/nats/users/gateway").stdout
    held_as_promised(machines[2], next(name for name in units(machines[2]) if "@" in name))
    # A machine is gone for good; another takes its address, and has nothing but its folder of the team's files.
    machines[1].remove()
    machines[1].boot()
    begin_s = time.monotonic()
    install(machines[1], 1, tmp_path, packages)
    print(f"replaced: fit after {time.monotonic() - begin_s:.0f} s\n{until_fit(tmp_path)}")
    assert set(units(machines[1]).values()) == {"active"}
