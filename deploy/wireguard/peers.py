"""Configurations of a WireGuard hub and its sites, for `wg-quick`.

    python -m deploy.wireguard OUT --endpoint 203.0.113.7 --site shanghai --site archive
    python -m deploy.wireguard OUT --endpoint 203.0.113.7 --site shanghai --generation b     new keys, beside the old

Each peer has one address and may send from no other. A generation is an interface of its own with its own keys, port
and addresses: to change keys the other one is brought up everywhere, then the old one is taken down.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path

from marketprism_sdk.private_files import private_folder, write_private

MTU = 1380  # 1500 less what IPv6, UDP and WireGuard add, and some for lines that add more
KEEPALIVE_S = 25
LEAF_PORT = 7422
HUB = "hub"
GENERATIONS = ("a", "b")
_INTERFACES = "mp-"
_NETWORK = {"a": "10.90.0", "b": "10.90.1"}
_PORT = {"a": 51820, "b": 51821}
_LAST = 254
_NAME = re.compile(r"[a-z][a-z0-9-]{0,30}")


class Keys(tuple[str, str]):
    """A private key and its public one, as `wg` writes them."""

    __slots__ = ()


@dataclass(frozen=True)
class Tunnel:
    """A generation of the hub's network. `numbers` is each site's last number of an address.

    Raises:
        ValueError: names what is wrong.
    """

    generation: str
    endpoint: str
    numbers: dict[str, int]
    rate_mbit: float = 0.0

    def __post_init__(self) -> None:
        if self.generation not in GENERATIONS:
            raise ValueError(f"--generation: expected one of {', '.join(GENERATIONS)}, was {self.generation!r}")
        if not self.endpoint or any(c.isspace() for c in self.endpoint) or self.endpoint.startswith("["):
            raise ValueError(f"--endpoint: expected a host or an address without a port, was {self.endpoint!r}")
        for name in self.numbers:
            if not _NAME.fullmatch(name) or name == HUB:
                raise ValueError(f"--site: expected a name of small letters, digits and -, was {name!r}")
        if self.rate_mbit < 0:
            raise ValueError(f"--rate-mbit: expected 0 for no limit, or more, was {self.rate_mbit:g}")

    @property
    def interface(self) -> str:
        """What `wg-quick` calls it, by the name of the file."""
        return f"{_INTERFACES}{self.generation}"

    @property
    def port(self) -> int:
        """Where the hub listens."""
        return _PORT[self.generation]

    def address(self, name: str) -> str:
        """The one address of a peer."""
        return f"{_NETWORK[self.generation]}.{1 if name == HUB else self.numbers[name]}"

    def hub(self, keys: dict[str, Keys], shared: dict[str, str]) -> str:
        """The hub's file: every site is a peer, and only the leaf nodes' port is open to them, which is
        closed to everything outside the tunnels."""
        open_it = f"iptables -w -{{}} INPUT -i %i -p tcp --dport {LEAF_PORT} -j ACCEPT"
        close_it = "iptables -w -{} INPUT -i %i -j DROP"
        elsewhere = f"iptables -w -{{}} INPUT ! -i {_INTERFACES}+ -p tcp --dport {LEAF_PORT} -j DROP"
        rules = (open_it, close_it, elsewhere)
        lines = ["[Interface]", f"Address = {self.address(HUB)}/32", f"ListenPort = {self.port}"]
        lines += [f"PrivateKey = {keys[HUB][0]}", f"MTU = {MTU}"]
        lines += [f"PostUp = {rule.format('A')}" for rule in rules]
        lines += [f"PreDown = {rule.format('D')}" for rule in rules]
        for name in self.numbers:
            lines += ["", f"# {name}", "[Peer]", f"PublicKey = {keys[name][1]}", f"PresharedKey = {shared[name]}"]
            lines += [f"AllowedIPs = {self.address(name)}/32"]
        return "\n".join(lines) + "\n"

    def site(self, name: str, keys: dict[str, Keys], shared: dict[str, str]) -> str:
        """A site's file: the hub is its one peer, and nothing there may begin a connection to the site."""
        answers = "iptables -w -{} INPUT -i %i -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT"
        closed = "iptables -w -{} INPUT -i %i -j DROP"
        lines = ["[Interface]", f"Address = {self.address(name)}/32", f"PrivateKey = {keys[name][0]}", f"MTU = {MTU}"]
        lines += [f"PostUp = {rule.format('A')}" for rule in (answers, closed)]
        lines += [f"PreDown = {rule.format('D')}" for rule in (answers, closed)]
        if self.rate_mbit:
            shape = f"tc qdisc add dev %i root tbf rate {self.rate_mbit:g}mbit burst 128k latency 400ms"
            lines += [f"PostUp = {shape}"]  # goes with the interface
        lines += ["", "# the hub", "[Peer]", f"PublicKey = {keys[HUB][1]}", f"PresharedKey = {shared[name]}"]
        lines += [f"AllowedIPs = {self.address(HUB)}/32", f"Endpoint = {_bracketed(self.endpoint)}:{self.port}"]
        lines += [f"PersistentKeepalive = {KEEPALIVE_S}"]
        return "\n".join(lines) + "\n"


def _bracketed(host: str) -> str:
    try:
        return f"[{host}]" if ip_address(host).version == 6 else host
    except ValueError:
        return host


def write(
    out: Path,
    endpoint: str,
    sites: Sequence[str],
    *,
    new_key: Callable[[], Keys],
    new_shared: Callable[[], str],
    generation: str = "a",
    rate_mbit: float = 0.0,
    renew: bool = False,
) -> Tunnel:
    """A folder for the hub and one for each site, with the file of this generation; what is in the folder of other
    generations stays. Keys of a generation that is there stay too, so that a site can be added; `renew` makes new ones.
    A site keeps its number for ever, and is left out when it is not named any more.

    Raises:
        ValueError: names what is wrong. OSError: the folder cannot be written.
    """
    numbers = _numbers(out, sites)
    tunnel = Tunnel(generation, endpoint, {name: numbers[name] for name in sites}, rate_mbit)
    private_folder(out)
    write_private(out / "sites.json", json.dumps(numbers, indent=1) + "\n")
    kept = out / f"keys-{generation}.json"
    old = json.loads(kept.read_text(encoding="utf-8")) if kept.exists() and not renew else {"keys": {}, "shared": {}}
    keys = {name: Keys(old["keys"].get(name) or new_key()) for name in (HUB, *sites)}
    shared = {name: old["shared"].get(name) or new_shared() for name in sites}
    write_private(kept, json.dumps({"keys": keys, "shared": shared}, indent=1) + "\n")
    texts = {HUB: tunnel.hub(keys, shared), **{name: tunnel.site(name, keys, shared) for name in sites}}
    for name, text in texts.items():
        private_folder(out / name)
        write_private(out / name / f"{tunnel.interface}.conf", text)
    return tunnel


def _numbers(out: Path, sites: Sequence[str]) -> dict[str, int]:
    if len(set(sites)) != len(sites):
        raise ValueError("--site: expected each once, was one given twice")
    path = out / "sites.json"
    numbers: dict[str, int] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    for name in sites:
        numbers.setdefault(name, max(numbers.values(), default=1) + 1)
    if max(numbers.values(), default=0) > _LAST:
        raise ValueError(f"--site: expected at most {_LAST - 1} sites in all, were more")
    return numbers


__all__ = ["GENERATIONS", "HUB", "KEEPALIVE_S", "LEAF_PORT", "MTU", "Keys", "Tunnel", "write"]
