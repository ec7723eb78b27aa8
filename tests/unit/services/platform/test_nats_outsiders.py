"""Clients and sites of a folder of accounts stay when it is written again."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from marketprism_sdk.errors import ConfigurationError, InvalidSetting
from marketprism_services.cli.nats_server import nats_server
from marketprism_services.platform.exits import Exit, Stop
from marketprism_services.platform.nats_outsiders import FILE, Outsiders, outsiders


def accounts(folder: Path, *options: str) -> str:
    """What the command writes for the server."""
    done = CliRunner().invoke(nats_server, ["accounts", str(folder), *options])
    assert done.exit_code == 0, done.output
    return (folder / "accounts.conf").read_text(encoding="utf-8")


def passwords(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text(encoding="utf-8") for path in (folder / "users").iterdir()}


def test_a_folder_that_is_written_again_keeps_its_clients_and_sites_with_their_passwords(tmp_path: Path) -> None:
    folder = tmp_path / "nats"
    first = accounts(folder, "--client", "research", "--site", "shanghai")
    before = passwords(folder)
    assert {"research", "site-shanghai", "mirror-shanghai"} <= before.keys()
    assert "client" not in before
    assert accounts(folder) == first
    more = accounts(folder, "--client", "execution", "--site", "tokyo")
    assert {name: passwords(folder)[name] for name in before} == before
    assert {"execution", "site-tokyo", "mirror-tokyo"} == passwords(folder).keys() - before.keys()
    assert all(text in more for text in ("SITE_shanghai", "SITE_tokyo", "research", "execution"))


def test_who_is_to_go_goes_with_the_password(tmp_path: Path) -> None:
    folder = tmp_path / "nats"
    accounts(folder, "--client", "research", "--client", "execution", "--site", "shanghai")
    text = accounts(folder, "--without", "research", "--without", "shanghai")
    assert "research" not in text
    assert "SITE_shanghai" not in text
    assert not {"research", "site-shanghai", "mirror-shanghai"} & passwords(folder).keys()
    assert outsiders(folder) == Outsiders(("execution",), ())
    # Asked alone, or of a command that is refused, nothing goes.
    assert outsiders(folder, without=("execution",)) == Outsiders((), (), ("execution",))
    assert "execution" in passwords(folder)
    with pytest.raises(InvalidSetting, match="without: expected one of execution, was 'research'"):
        outsiders(folder, without=("research",))


def test_a_folder_of_before_names_them_by_their_passwords(tmp_path: Path) -> None:
    folder = tmp_path / "nats"
    first = accounts(folder, "--client", "research", "--site", "shanghai")
    (folder / FILE).unlink()
    assert outsiders(folder) == Outsiders(("research",), ("shanghai",))
    assert accounts(folder) == first


def test_the_first_time_there_is_one_client(tmp_path: Path) -> None:
    assert outsiders(tmp_path / "none") == Outsiders(("client",), ())
    assert outsiders(tmp_path / "none", ("research",)) == Outsiders(("research",), ())
    assert outsiders(tmp_path / "none", sites=("tokyo",)) == Outsiders(("client",), ("tokyo",))


@pytest.mark.parametrize("text", ["clients = 1", "clients = [1]\nsites = []", "= =", "clients = []"])
def test_what_is_no_list_of_names_is_refused_with_its_place(tmp_path: Path, text: str) -> None:
    (tmp_path / FILE).write_text(text, encoding="utf-8")
    with pytest.raises(ConfigurationError, match=f"{FILE}: expected clients and sites, each a list of names, was"):
        outsiders(tmp_path)
    done = CliRunner().invoke(nats_server, ["accounts", str(tmp_path)])
    assert isinstance(done.exception, Stop)
    assert done.exception.code == Exit.USAGE
