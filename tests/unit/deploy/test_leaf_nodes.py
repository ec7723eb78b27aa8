"""A site as a leaf node: what both servers are given, as they read it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from deploy.hybrid.leaf import STREAMS, check_site, cloud_conf, mirror_config, site_conf

from marketprism_adapters.nats import streams
from marketprism_adapters.nats.accounts import leaf_user, mirror_user
from marketprism_sdk.errors import InvalidSetting
from marketprism_services.platform import nats_users

NATS_SERVER = Path(sys.executable).parent / "nats-server"


def _takes(folder: Path, accounts: str, leaf: str, domain: str) -> None:
    (folder / "nats.conf").write_text(
        f'server_name: {domain}\njetstream {{ domain: {domain}, store_dir: "{folder}" }}\n{accounts}\n{leaf}'
    )
    said = subprocess.run([NATS_SERVER, "-t", "-c", folder / "nats.conf"], capture_output=True, text=True, check=False)
    assert said.returncode == 0, said.stderr


def test_both_servers_take_their_configuration(tmp_path: Path) -> None:
    cloud = nats_users.accounts(nameless=False, sites=("shanghai", "archive"))
    _takes(tmp_path, cloud.config(dict.fromkeys(cloud.names, "secret")), cloud_conf(["10.90.0.1"]), "cloud")
    site = nats_users.accounts(nameless=False)
    conf = site_conf("shanghai", "secret", ["10.90.0.1", "10.90.1.1"])
    _takes(tmp_path, site.config(dict.fromkeys(site.names, "secret")), conf, "shanghai")
    assert conf.count("nats-leaf://site-shanghai:secret@10.90.") == 2


def test_a_site_may_publish_nothing_but_what_mirrors_ask_for() -> None:
    text = nats_users.accounts(sites=("shanghai",)).config(
        dict.fromkeys(nats_users.accounts(sites=("shanghai",)).names, "x")
    )
    (line,) = [line for line in text.splitlines() if leaf_user("shanghai") in line]
    allowed = line.partition("publish: { allow: [")[2].partition("]")[0].replace('"', "").split(", ")
    assert set(allowed) == {"$JSC.R.>", "_R_.>", "_INBOX.>", "mirrored.shanghai.>"}


def test_a_pipeline_without_sites_has_no_account_for_one() -> None:
    found = nats_users.accounts()
    assert "SITE_" not in found.config(dict.fromkeys(found.names, "x"))
    assert mirror_user("shanghai") in nats_users.accounts(sites=("shanghai",)).names
    with pytest.raises(InvalidSetting, match="site: expected a name"):
        nats_users.accounts(sites=("a b",))


def test_mirrors_are_of_the_streams_of_the_market() -> None:
    assert set(STREAMS) <= set(streams.MARKET_STREAMS)
    config = mirror_config("shanghai", streams.TICKS, days=14.0, max_bytes=1, replicas=3)
    assert config["mirror"] == {
        "name": streams.TICKS,
        "external": {"api": "$JS.shanghai.API", "deliver": f"mirrored.shanghai.{streams.TICKS}"},
    }
    assert "subjects" not in config


@pytest.mark.parametrize("name", ["cloud", "Shanghai", "", "a b", "a.b", "*"])
def test_a_site_has_a_name_that_can_be_a_domain(name: str) -> None:
    with pytest.raises(ValueError, match="site: expected a name of small letters"):
        check_site(name)
