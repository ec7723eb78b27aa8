"""Files of three machines: every service twice, each server can read its own, and what is wrong is named."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from cryptography import x509
from deploy.nodes.files import Team, commands_on, services_on, units_on, write
from deploy.nodes.lab import Lab
from deploy.nodes.network import Network
from deploy.nodes.units import together

from marketprism_adapters.clickhouse import local_server
from marketprism_application.errors import LocalServerError
from marketprism_services.settings.services import SERVICES
from marketprism_services.settings.settings import load

NODES = ("10.77.0.11", "10.77.0.12", "10.77.0.13")
ROOT = Path(__file__).parents[3]
NATS_SERVER = Path(sys.executable).parent / "nats-server"


def _team(**more: object) -> Team:
    return Team(**{"nodes": NODES, "store": "10.77.0.14", **more})  # type: ignore[arg-type]


def test_every_service_runs_on_two_nodes() -> None:
    team = _team()
    placed = Counter(name for number in range(3) for name in services_on(team, number))
    assert placed == {row.name: 2 for row in SERVICES}
    for number in range(3):
        assert sorted(n for unit in units_on(team, number) for n in unit) == sorted(services_on(team, number))


def test_clients_and_sites_stay_when_the_files_are_written_again(tmp_path: Path) -> None:
    write(_team(clients=("research",), sites=("shanghai",)), tmp_path)
    first = (tmp_path / "node-2/nats/accounts.conf").read_text(encoding="utf-8")
    write(_team(), tmp_path)
    assert (tmp_path / "node-2/nats/accounts.conf").read_text(encoding="utf-8") == first
    assert "SITE_shanghai" in first
    write(_team(without=("shanghai",)), tmp_path)
    for folder in (tmp_path, tmp_path / "node-2/nats"):
        assert "shanghai" not in (folder / "outsiders.toml").read_text(encoding="utf-8")
        assert {"site-shanghai", "research"} & {path.name for path in (folder / "users").iterdir()} == {"research"}


def test_each_node_can_read_what_is_written_for_it(tmp_path: Path) -> None:
    team = _team(etc=f"{tmp_path}/{{node}}", data=f"{tmp_path}/data/{{node}}", store_users=("w:1", "r:2"))
    write(team, tmp_path)
    for number, name in enumerate(team.names):
        folder = tmp_path / name
        settings = load(folder / "marketprism.toml", {})
        assert (settings.nats.replicas, settings.http.host) == (3, NODES[number])
        assert settings.nats.url.reveal().startswith(f"nats://{NODES[number]}:4222,")
        users = folder / "nats" / "users"
        assert {path.name for path in users.iterdir()} == {path.name for path in (tmp_path / "users").iterdir()}
        assert all(path.stat().st_mode & 0o077 == 0 for path in users.iterdir())
        assert settings.nats.users == users
        commands = commands_on(team, number)
        serve = commands.pop("marketprism-nats")
        assert serve[:5] == [team.program, "nats", "serve", "--config", f"{folder}/nats/nats.conf"]
        assert serve[5:9] == ["--store", "/var/lib/marketprism-nats", "--listen", f"{NODES[number]}:6223"]
        assert serve[10::2] == [f"{address}:6223" for address in NODES if address != NODES[number]]
        guarded = (folder / "units" / "marketprism-nats.service.d" / "guarded.conf").read_text().splitlines()
        assert guarded[1:] == ["[Service]", "ExecStart=", f"ExecStart={' '.join(serve)}"]
        assert {service for c in commands.values() for service in c[2].split("+")} == set(services_on(team, number))
        first = (folder / "services").read_text().split()
        assert {f"marketprism@{name}" for name in first} == set(commands)
        assert {path.parent.name for path in folder.glob("units/*/together.conf")} == {
            f"marketprism@{name}.service.d" for name in first
        }
        said = subprocess.run(
            [NATS_SERVER, "-t", "-c", folder / "nats" / "nats.conf"], capture_output=True, text=True, check=False
        )
        assert said.returncode == 0, said.stderr


def test_certificates_are_of_one_authority_and_for_each_node(tmp_path: Path) -> None:
    team = _team(etc=f"{tmp_path}/{{node}}", data=f"{tmp_path}/data/{{node}}", tls=True)
    write(team, tmp_path)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    write(team, tmp_path)
    assert before == {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    authority = x509.load_pem_x509_certificate((tmp_path / "ca.pem").read_bytes())
    for number, name in enumerate(team.names):
        folder = tmp_path / name
        settings = load(folder / "marketprism.toml", {})
        assert settings.nats.url.reveal().startswith(f"tls://{NODES[number]}:4222,tls://")
        assert settings.nats.ca == folder / "ca.pem"
        assert not list(folder.rglob("ca.key")), "who has it may pass for any node"
        found = x509.load_pem_x509_certificate((folder / "nats" / "tls.crt").read_bytes())
        found.verify_directly_issued_by(authority)
        names = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        assert [str(each) for each in names.get_values_for_type(x509.IPAddress)] == [NODES[number]]
        said = subprocess.run(
            [NATS_SERVER, "-t", "-c", folder / "nats" / "nats.conf"], capture_output=True, text=True, check=False
        )
        assert said.returncode == 0, said.stderr
    # A node that moves has a certificate for where it is.
    moved = _team(nodes=(*NODES[:2], "10.77.0.23"), etc=team.etc, data=team.data, tls=True)
    write(moved, tmp_path)
    changed = {
        path.parent.parent.name for path, was in before.items() if path.name == "tls.crt" and path.read_bytes() != was
    }
    assert changed == {"node-3"}


def test_a_process_of_several_services_has_what_each_of_them_needs() -> None:
    text = together(("query", "data", "backtest"), ["/bin/marketprism", "run", "query+data+backtest"])
    assert text.splitlines()[1:] == [
        "[Service]",
        "ExecStart=",
        "ExecStart=/bin/marketprism run query+data+backtest",
        "LoadCredential=data:/etc/marketprism/nats/users/data",
        "LoadCredential=backtest:/etc/marketprism/nats/users/backtest",
        "RestrictNamespaces=user net",
        "MemoryMax=8G",
    ]


def test_secrets_stay_when_files_are_written_again(tmp_path: Path) -> None:
    write(_team(), tmp_path)
    before = {path: path.read_text() for path in tmp_path.rglob("*") if path.is_file()}
    write(_team(), tmp_path)
    assert before == {path: path.read_text() for path in tmp_path.rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"nodes": NODES[:2]}, "--node: expected three addresses, were 2"),
        ({"nodes": (*NODES[:2], "node-3")}, "expected one like 10.77.0.11, was 'node-3'"),
        ({"store": NODES[0]}, "was one given twice"),
        ({"services": ("gateway", "collector")}, "services: expected some of .*, was 'collector'"),
    ],
)
def test_what_is_wrong_is_named(given: dict[str, object], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        _team(**given)


def test_names_of_hosts_fit_the_kernel() -> None:
    with pytest.raises(ValueError, match="--tag: expected one to six letters and digits"):
        Network("far-too-long", "10.77.0", {})


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="needs systemd-analyze")
def test_systemd_takes_the_units(tmp_path: Path) -> None:
    write(_team(), tmp_path / "team")
    root = tmp_path / "machine"
    subprocess.run([ROOT / "deploy" / "systemd" / "install.sh", "--root", root], check=True, capture_output=True)
    system = root / "etc" / "systemd" / "system"
    shutil.copytree(tmp_path / "team" / "node-1" / "units", system, dirs_exist_ok=True)
    shutil.copytree("/usr/lib/systemd/system", root / "usr/lib/systemd/system", symlinks=True)
    for program in ("marketprism", "nats-server"):
        place = root / "opt/marketprism/venv/bin" / program
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text("#!/bin/sh\n", encoding="utf-8")
        place.chmod(0o755)
    first = (tmp_path / "team" / "node-1" / "services").read_text().split()
    units = [f"marketprism@{name}.service" for name in first]
    command = ["systemd-analyze", "verify", f"--root={root}", *units]
    said = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (said.returncode, said.stderr) == (0, "")


def test_clickhouse_is_fetched_before_there_are_hosts_that_have_no_way_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def not_fetched() -> list[str]:
        raise LocalServerError("ClickHouse: its library could not be fetched")

    monkeypatch.setattr(local_server, "server_program", not_fetched)
    lab = Lab(tmp_path / "lab", tag="fetch", subnet="10.79.9")
    monkeypatch.setattr(lab.network, "make", lambda: pytest.fail("hosts were made"))
    with pytest.raises(LocalServerError, match="could not be fetched"):
        lab.begin()
