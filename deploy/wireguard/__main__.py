"""`python -m deploy.wireguard`: the files of a hub and its sites. Keys are made by `wg` of wireguard-tools."""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

from deploy.wireguard.peers import GENERATIONS, Keys, write


def new_key() -> Keys:
    """A pair of keys from `wg genkey`."""
    private = _wg("genkey")
    return Keys((private, _wg("pubkey", private)))


def new_shared() -> str:
    """A preshared key from `wg genpsk`."""
    return _wg("genpsk")


def _wg(what: str, given: str = "") -> str:
    done = subprocess.run(["wg", what], input=given, capture_output=True, text=True, check=True)  # noqa: S603, S607
    return done.stdout.strip()


def main() -> int:
    """The exit code."""
    parser = argparse.ArgumentParser(prog="python -m deploy.wireguard", description="WireGuard of a hub and its sites")
    parser.add_argument("out", type=Path)
    parser.add_argument("--endpoint", required=True, help="where sites reach the hub: a host or an address")
    parser.add_argument("--site", action="append", required=True, help="a site; may be repeated")
    parser.add_argument("--generation", default="a", help=f"one of {', '.join(GENERATIONS)}")
    parser.add_argument("--rate-mbit", type=float, default=0.0, help="what a site sends at most; 0: no limit")
    parser.add_argument("--renew", action="store_true", help="new keys for this generation")
    given = parser.parse_args()
    try:
        tunnel = write(
            given.out,
            given.endpoint,
            given.site,
            new_key=new_key,
            new_shared=new_shared,
            generation=given.generation,
            rate_mbit=given.rate_mbit,
            renew=given.renew,
        )
    except FileNotFoundError:
        print("wg: expected wireguard-tools, was not found", file=sys.stderr)
        return 2
    except (OSError, ValueError, subprocess.CalledProcessError) as error:
        print(error, file=sys.stderr)
        return 2
    for name in ("hub", *given.site):
        print(f"{given.out / name / tunnel.interface}.conf goes to /etc/wireguard of {name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
