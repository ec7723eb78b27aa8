"""Units for one machine: safe by a policy, and of this product: its commands, services, settings, exit codes and users."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from marketprism_sdk.private_files import write_private
from marketprism_services.cli.app import app
from marketprism_services.platform import nats_users
from marketprism_services.platform.catalogue import in_up, names
from marketprism_services.platform.exits import Exit
from marketprism_services.settings.settings import Settings, load
from tests.support.certificates import Authority
from tests.support.systemd_units import last, of_file, problems, read, size

ROOT = Path(__file__).parents[3]
FOLDER = ROOT / "deploy" / "systemd"
TEMPLATE = FOLDER / "marketprism@.service"
NATS = FOLDER / "marketprism-nats.service"
INSTALL = FOLDER / "install.sh"
BIN = Path(sys.executable).parent
DROP_INS = sorted(FOLDER.glob("marketprism@*.service.d/*.conf"))


@pytest.fixture(scope="module")
def settings() -> Settings:
    return load(FOLDER / "marketprism.toml", {})


@pytest.mark.parametrize("path", [TEMPLATE, NATS], ids=lambda path: path.name)
def test_units_have_what_production_needs(path: Path, settings: Settings) -> None:
    assert list(problems(of_file(path), settings.drain_s)) == []


@pytest.mark.parametrize(
    ("line", "instead", "said"),
    [
        ("NoNewPrivileges=yes", "", "NoNewPrivileges: expected 'yes', was None"),
        ("ProtectSystem=strict", "ProtectSystem=full", "ProtectSystem: expected 'strict', was 'full'"),
        ("User=marketprism", "User=root", "User: expected one without rights, was 'root'"),
        ("MemoryMax=2G", "", "MemoryMax: expected a value, was none"),
        ("LimitNOFILE=65536", "LimitNOFILE=1024", "LimitNOFILE: expected 65536 at least, was '1024'"),
        ("TimeoutStopSec=20", "TimeoutStopSec=8", "TimeoutStopSec: expected longer than drain_s, 8 s, was 8"),
        ("Restart=on-failure", "Restart=no", "Restart: expected on-failure, was 'no'"),
        ("StartLimitBurst=30", "", "StartLimitBurst: expected a limit, was None"),
        (
            "ReadWritePaths=/var/lib/marketprism",
            "ReadWritePaths=/var/lib/marketprism /etc",
            "ReadWritePaths: expected the state directory alone, was /etc /var/lib/marketprism",
        ),
        (
            "Environment=MARKETPRISM_NATS__USERS=%d",
            "Environment=MARKETPRISM_CTP__PASSWORD=geheim",
            "Environment: expected no secret, which every user can read there; LoadCredential gives it as a file",
        ),
    ],
)
def test_the_policy_names_what_is_wrong(line: str, instead: str, said: str, settings: Settings) -> None:
    text = TEMPLATE.read_text(encoding="utf-8")
    assert f"{line}\n" in text
    assert list(problems(read(text.replace(f"{line}\n", f"{instead}\n")), settings.drain_s)) == [said]


@pytest.mark.parametrize("service", names())
def test_units_call_commands_that_there_are(service: str, settings: Settings) -> None:
    program, *arguments = (last(of_file(TEMPLATE), "Service", "ExecStart") or "").replace("%I", service).split()
    assert (program, arguments[:2]) == ("/opt/marketprism/venv/bin/marketprism", ["run", service])
    assert arguments[3] == "/etc/marketprism/marketprism.toml"
    said = CliRunner().invoke(app, [*arguments, "--help"])  # parsed, and not run
    assert said.exit_code == 0, said.output
    assert CliRunner().invoke(app, [*arguments, "--confg", "--help"]).exit_code == 2
    assert settings.data_dir == Path("/var/lib") / str(last(of_file(TEMPLATE), "Service", "StateDirectory"))


def test_what_would_end_the_same_way_again_is_not_started_again() -> None:
    codes = (last(of_file(TEMPLATE), "Service", "RestartPreventExitStatus") or "").split()
    assert [int(code) for code in codes] == [Exit.USAGE, Exit.INPUT]


def test_drop_ins_and_the_installer_name_services_that_there_are() -> None:
    text = INSTALL.read_text(encoding="utf-8")
    known, services = re.findall(r'^(?:readonly known|services)="([a-z ]+)"$', text, re.MULTILINE)
    assert sorted(known.split()) == sorted(names())
    assert sorted(services.split()) == sorted(in_up())
    assert {path.parent.name.removeprefix("marketprism@").removesuffix(".service.d") for path in DROP_INS} <= set(
        names()
    )


@pytest.mark.parametrize("path", DROP_INS, ids=lambda path: path.parent.name)
def test_a_drop_in_only_widens_what_it_says(path: Path) -> None:
    unit = of_file(path)
    assert set(unit) == {"Service"}
    assert set(unit["Service"]) <= {"MemoryMax", "RestrictNamespaces"}
    assert size(unit["Service"]["MemoryMax"][-1]) > size(str(last(of_file(TEMPLATE), "Service", "MemoryMax")))


def test_everything_belongs_to_the_target_and_nats_goes_last() -> None:
    template, nats = of_file(TEMPLATE), of_file(NATS)
    for unit in (template, nats):
        assert last(unit, "Unit", "PartOf") == "marketprism.target"
        assert last(unit, "Install", "WantedBy") == "marketprism.target"
    assert {"marketprism-nats.service", "clickhouse-server.service"} <= set(
        str(last(template, "Unit", "After")).split()
    )


def test_a_service_gets_its_own_password_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    unit = of_file(TEMPLATE)
    assert unit["Service"]["LoadCredential"] == ["%i:/etc/marketprism/nats/users/%i"]
    assert unit["Service"]["Environment"] == ["MARKETPRISM_NATS__USERS=%d"]
    (tmp_path / "storage").write_text("of storage", encoding="utf-8")
    monkeypatch.setenv("MARKETPRISM_NATS__USERS", str(tmp_path))
    access = load(FOLDER / "marketprism.toml", {}).nats.access("storage")
    assert (access.user, access.password_file) == ("storage", tmp_path / "storage")


def test_the_server_takes_its_configuration_alone_and_in_a_cluster(tmp_path: Path, settings: Settings) -> None:
    users = nats_users.accounts(nameless=False)
    write_private(tmp_path / "accounts.conf", users.config({name: name for name in users.names}))
    authority = Authority(tmp_path / "ca")
    certificate, key = authority.issue("nats-1")
    text = (FOLDER / "nats.conf").read_text(encoding="utf-8").replace("/var/lib/marketprism-nats", str(tmp_path / "js"))
    cluster = (FOLDER / "cluster.conf").read_text(encoding="utf-8")
    for name, file in (("ca.pem", authority.file), ("tls.crt", certificate), ("tls.key", key)):
        cluster = cluster.replace(f"/etc/marketprism/nats/{name}", str(file))
    (tmp_path / "cluster.conf").write_text(cluster, encoding="utf-8")
    for given in (text, text.replace('# include "cluster.conf"', 'include "cluster.conf"')):
        config = tmp_path / "nats.conf"
        config.write_text(given, encoding="utf-8")
        checked = subprocess.run(
            [BIN / "nats-server", "-t", "-c", str(config)], capture_output=True, text=True, check=False
        )
        assert checked.returncode == 0, checked.stderr
    assert '# include "cluster.conf"' in text
    room = re.search(r"max_file_store: (\d+)GB", text)
    assert room is not None
    assert int(room[1]) >= settings.nats.max_store_gb * 1.1


def install(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([str(INSTALL), *arguments], capture_output=True, text=True, check=False)


def test_the_installer_puts_files_and_keeps_what_somebody_changed(tmp_path: Path) -> None:
    assert install("--root", str(tmp_path)).returncode == 0
    settings, unit = tmp_path / "etc/marketprism/marketprism.toml", tmp_path / "etc/systemd/system/marketprism@.service"
    assert unit.read_bytes() == TEMPLATE.read_bytes()
    found = {
        str(path.relative_to(tmp_path / "etc/systemd/system")) for path in tmp_path.glob("etc/systemd/system/*.d/*")
    }
    assert found == {str(path.relative_to(FOLDER)) for path in DROP_INS}
    settings.write_text("# ours\n", encoding="utf-8")
    unit.write_text("# old\n", encoding="utf-8")
    again = install("--root", str(tmp_path))
    assert (again.returncode, settings.read_text(encoding="utf-8")) == (0, "# ours\n")
    assert f"kept {settings}" in again.stdout
    assert unit.read_bytes() == TEMPLATE.read_bytes()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            ["--sevices", "storage"],
            "expected --root, --wheel, --extras, --services, --start or --help, was '--sevices'",
        ),
        (["--services", "storage tikcs"], "--services: expected some of {known}, was 'tikcs'"),
        (["--wheel", "/nowhere.whl"], "--wheel: expected a file that is there, was '/nowhere.whl'"),
        (["--wheel"], "--wheel: expected a value, was none"),
        (["--services"], '--services: expected names, or "" for NATS alone, was none'),
        (["--root", "/tmp/x", "--start"], "--root: expected neither --wheel nor --start with it"),
    ],
)
def test_the_installer_refuses_by_name(arguments: list[str], said: str) -> None:
    known = re.search(r'readonly known="([a-z ]+)"', INSTALL.read_text(encoding="utf-8"))
    assert known is not None
    done = install(*arguments)
    assert (done.returncode, done.stderr) == (2, f"install.sh: {said.replace('{known}', known[1])}\n")


def test_the_installer_is_clean_by_shellcheck() -> None:
    done = subprocess.run([BIN / "shellcheck", str(INSTALL)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")
    assert os.access(INSTALL, os.X_OK)


def test_commands_of_the_page_are_those_of_the_product_and_of_the_installer() -> None:
    page = (ROOT / "docs" / "deployment" / "systemd.md").read_text(encoding="utf-8")
    called = re.findall(r"^.*/venv/bin/marketprism ([^`\n]+)$", page, re.MULTILINE)
    assert len(called) == 4
    for arguments in called:
        said = CliRunner().invoke(app, [*arguments.split(), "--help"])
        assert said.exit_code == 0, said.output
    offered = set(re.findall(r"^    (--[a-z]+)\)", INSTALL.read_text(encoding="utf-8"), re.MULTILINE))
    used = {
        option
        for line in page.splitlines()
        if "install.sh" in line or line.startswith(("then it enables", "machine without", "`--root"))
        for option in re.findall(r"`?(--[a-z]+)(?= |`)", line.split("nats accounts")[0])
    }
    assert used <= offered
    assert used
    files = {path.name for path in FOLDER.iterdir() if path.is_file()} - {"marketprism.sysusers"}
    assert {name for name in files if f"`{name}`" not in page} == set()
