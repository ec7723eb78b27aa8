"""Files of a hub and its sites: an address for each peer, keys that stay, and a second generation beside the first."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from configparser import ConfigParser
from pathlib import Path

import pytest
from deploy.wireguard.peers import HUB, Keys, Tunnel, write


class Made:
    """Keys that can be told apart."""

    def __init__(self) -> None:
        self._numbers: Iterator[int] = itertools.count(1)

    def key(self) -> Keys:
        number = next(self._numbers)
        return Keys((f"private-{number}", f"public-{number}"))

    def shared(self) -> str:
        return f"shared-{next(self._numbers)}"


def _write(out: Path, made: Made, *sites: str, generation: str = "a", **more: object) -> Tunnel:
    return write(  # type: ignore[call-overload]
        out, "203.0.113.7", sites, new_key=made.key, new_shared=made.shared, generation=generation, **more
    )


def _peers(path: Path) -> list[ConfigParser]:
    """The parts of a file that begin with [Interface] and with [Peer]."""
    found = []
    for part in path.read_text().split("\n\n"):
        parser = ConfigParser(strict=False)
        parser.read_string("\n".join(line for line in part.splitlines() if not line.startswith("#")))
        found.append(parser)
    return found


def test_each_peer_has_one_address_and_both_sides_know_the_same_keys(tmp_path: Path) -> None:
    _write(tmp_path, Made(), "shanghai", "archive")
    hub, *peers = _peers(tmp_path / HUB / "mp-a.conf")
    assert (hub["Interface"]["Address"], hub["Interface"]["ListenPort"]) == ("10.90.0.1/32", "51820")
    assert hub["Interface"]["MTU"] == "1380"
    for peer, site in zip(peers, ("shanghai", "archive"), strict=True):
        own, far = _peers(tmp_path / site / "mp-a.conf")
        assert peer["Peer"]["AllowedIPs"] == own["Interface"]["Address"]
        assert far["Peer"]["AllowedIPs"] == "10.90.0.1/32"
        assert far["Peer"]["PresharedKey"] == peer["Peer"]["PresharedKey"]
        private = own["Interface"]["PrivateKey"]
        assert peer["Peer"]["PublicKey"] == private.replace("private", "public")
        assert far["Peer"]["PublicKey"] == hub["Interface"]["PrivateKey"].replace("private", "public")
        assert (far["Peer"]["PersistentKeepalive"], far["Peer"]["Endpoint"]) == ("25", "203.0.113.7:51820")
    assert len({peer["Peer"]["AllowedIPs"] for peer in peers}) == 2
    assert all(path.stat().st_mode & 0o077 == 0 for path in tmp_path.rglob("*.conf"))


def test_no_file_holds_the_private_key_of_another(tmp_path: Path) -> None:
    _write(tmp_path, Made(), "shanghai", "archive")
    privates = {
        site: _peers(tmp_path / site / "mp-a.conf")[0]["Interface"]["PrivateKey"]
        for site in (HUB, "shanghai", "archive")
    }
    for site, other in itertools.permutations(privates, 2):
        assert privates[other] not in (tmp_path / site / "mp-a.conf").read_text().split()


def test_a_site_that_comes_later_changes_nothing_for_the_others(tmp_path: Path) -> None:
    made = Made()
    _write(tmp_path, made, "shanghai")
    before = (tmp_path / "shanghai" / "mp-a.conf").read_text()
    _write(tmp_path, made, "archive", "shanghai")
    assert (tmp_path / "shanghai" / "mp-a.conf").read_text() == before
    # One that left does not give its address to the next.
    _write(tmp_path, made, "archive")
    tunnel = _write(tmp_path, made, "archive", "frankfurt")
    assert tunnel.address("frankfurt") == "10.90.0.4"
    assert "10.90.0.2/32" not in (tmp_path / HUB / "mp-a.conf").read_text()


def test_a_generation_shares_nothing_with_the_one_before(tmp_path: Path) -> None:
    made = Made()
    _write(tmp_path, made, "shanghai")
    _write(tmp_path, made, "shanghai", generation="b")
    for name in (HUB, "shanghai"):
        old, new = ((tmp_path / name / f"mp-{g}.conf").read_text().split() for g in "ab")
        secret = {word for word in old if word.startswith(("private-", "public-", "shared-"))}
        assert secret
        assert not secret & set(new)
    first, second = Tunnel("a", "h", {"x": 2}), Tunnel("b", "h", {"x": 2})
    assert (first.port, first.address("x")) != (second.port, second.address("x"))
    before = (tmp_path / HUB / "mp-b.conf").read_text()
    _write(tmp_path, made, "shanghai", generation="b", renew=True)
    assert (tmp_path / HUB / "mp-b.conf").read_text() != before


def test_what_a_site_sends_can_be_bounded(tmp_path: Path) -> None:
    _write(tmp_path, Made(), "shanghai", rate_mbit=50.0)
    assert "tbf rate 50mbit" in (tmp_path / "shanghai" / "mp-a.conf").read_text()
    assert "tbf" not in (tmp_path / HUB / "mp-a.conf").read_text()


def test_an_address_of_version_six_is_bracketed() -> None:
    text = Tunnel("a", "2001:db8::7", {"x": 2}).site("x", {HUB: Keys("ab"), "x": Keys("cd")}, {"x": "s"})
    assert "Endpoint = [2001:db8::7]:51820" in text


@pytest.mark.parametrize(
    ("sites", "more", "said"),
    [
        (("Shanghai",), {}, "--site: expected a name of small letters, digits and -, was 'Shanghai'"),
        (("hub",), {}, "--site: expected a name"),
        (("a", "a"), {}, "--site: expected each once"),
        (("a",), {"generation": "c"}, "--generation: expected one of a, b, was 'c'"),
        (("a",), {"rate_mbit": -1.0}, "--rate-mbit: expected 0"),
        (tuple(f"s{n}" for n in range(254)), {}, "--site: expected at most 253 sites"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, sites: tuple[str, ...], more: dict[str, object], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        _write(tmp_path, Made(), *sites, **more)
    assert not list(tmp_path.rglob("*.conf"))
