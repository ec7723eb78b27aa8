"""The secrets of `compose.yaml` in a folder, each readable by the user of its container alone.

What is there stays; run it again after an upgrade, since rights on NATS follow the code.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import subprocess
import sys
from pathlib import Path

PRODUCT, CLICKHOUSE, NOBODY, GRAFANA = 10001, 101, 65534, 472  # users of the containers
NODES = ("nats-0", "nats-1", "nats-2")


def users_xml(password: str) -> str:
    """ClickHouse's users: one that may write from the network of the store, and nobody else."""
    digest = hashlib.sha256(password.encode()).hexdigest()
    return f"""<clickhouse>
  <users>
    <default remove="remove"/>
    <marketprism>
      <password_sha256_hex>{digest}</password_sha256_hex>
      <networks><ip>::/0</ip></networks>
      <profile>default</profile>
      <quota>default</quota>
    </marketprism>
  </users>
</clickhouse>
"""


def routes(password: str) -> str:
    """How nodes of the cluster find one another, and what they show."""
    named = ", ".join(f'"nats://node:{password}@{node}:6222"' for node in NODES)
    shown = f'authorization {{ user: "node", password: "{password}", timeout: 5 }}'
    return f'cluster {{ name: "marketprism", listen: "0.0.0.0:6222", {shown}, routes: [{named}] }}\n'


def keep(path: Path, text: str, owner: int) -> str:
    """What the file holds; `text` is written where it is not there. Only `owner` may read it."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o600)
        path.write_text(text, encoding="utf-8")
    _give(path, owner)
    return path.read_text(encoding="utf-8").strip()


def _give(path: Path, owner: int) -> None:
    path.chmod(0o500 if path.is_dir() else 0o400)
    os.chown(path, owner, owner)


def make(folder: Path) -> None:
    """Everything. Raises CalledProcessError: the users of NATS could not be written; OSError: the folder."""
    nats = folder / "nats"
    for path in (nats, *nats.rglob("*")):  # ours until everything is written
        if path.exists():
            os.chown(path, 0, 0)
            path.chmod(0o700 if path.is_dir() else 0o600)
    command = [str(Path(sys.executable).with_name("marketprism")), "nats", "accounts", str(nats)]
    subprocess.run(command, check=True)  # noqa: S603 (our own words)
    keep(nats / "routes.conf", routes(secrets.token_hex(24)), PRODUCT)
    for path in nats.rglob("*"):
        _give(path, PRODUCT)
    _give(nats, PRODUCT)
    url = keep(folder / "store-url", f"http://marketprism:{secrets.token_hex(24)}@clickhouse:8123\n", PRODUCT)
    keep(folder / "clickhouse-users.xml", users_xml(url.partition("marketprism:")[2].partition("@")[0]), CLICKHOUSE)
    token = keep(folder / "notifier-token", secrets.token_hex(24), PRODUCT)
    keep(folder / "alert-token", token, NOBODY)
    keep(folder / "metrics-key", "none", NOBODY)  # a key of the API gateway takes its place, once there is one
    keep(folder / "grafana-admin", secrets.token_urlsafe(18), GRAFANA)


if __name__ == "__main__":
    make(Path(sys.argv[1]))
