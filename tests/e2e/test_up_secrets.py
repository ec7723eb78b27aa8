"""A run with passwords everywhere: who needs them has them, and they are read nowhere else."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import stat
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from marketprism_adapters.nats.local_server import choose_port, is_free
from marketprism_services.platform.catalogue import in_up
from tests.e2e.program import look, runs, start
from tests.support.recordings import part_of

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300), pytest.mark.xdist_group("e2e")]

SECRETS = {name: f"s3cret-{name}" for name in ("nats", "store", "reader", "ctp", "code", "other")}


class Nats:
    """A nats-server that asks for a password."""

    def __init__(self, folder: Path) -> None:
        self.port = choose_port(0)
        self.url = f"nats://market:{SECRETS['nats']}@127.0.0.1:{self.port}"
        self._config = folder / "nats.conf"
        self._config.write_text(
            f'listen: "127.0.0.1:{self.port}"\nmax_payload: 8MB\n'
            f'authorization {{ user: market, password: "{SECRETS["nats"]}" }}\n'
            f'jetstream {{ store_dir: "{folder / "nats"}" }}\n'
        )
        self.start()

    def start(self) -> None:
        binary = shutil.which("nats-server", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
        self.process = subprocess.Popen([str(binary), "-c", str(self._config)], stderr=subprocess.DEVNULL)
        while is_free(self.port):
            assert self.process.poll() is None
            time.sleep(0.02)

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait()


@pytest.fixture
def nats(tmp_path: Path) -> Iterator[Nats]:
    server = Nats(tmp_path)
    yield server
    server.stop()


def _sha(name: str) -> str:
    return hashlib.sha256(SECRETS[name].encode()).hexdigest()


def _settings(folder: Path, nats: Nats, recording: Path) -> Path:
    front = f"sim:{recording}?password={_sha('ctp')}&auth_code={_sha('code')}"
    path = folder / "marketprism.toml"
    path.write_text(
        f"""
[nats]
url = "{nats.url}"
[store]
url = "http://writer:{SECRETS["store"]}@127.0.0.1:1"
read_url = "http://reader:{SECRETS["reader"]}@127.0.0.1:1"
[source]
spec = "ctp"
[ctp]
md_fronts = ["{front}"]
td_fronts = ["{front}"]
broker = "9999"
user = "u"
password = "{SECRETS["ctp"]}"
app_id = "app"
auth_code = "{SECRETS["code"]}"
[[ctp.others]]
md_fronts = ["sim:{recording}?password={_sha("other")}"]
broker = "8888"
user = "v"
password = "{SECRETS["other"]}"
""",
        encoding="utf-8",
    )
    return path


@pytest.mark.long
def test_services_have_the_passwords_and_nothing_that_is_written_or_printed_has(
    fixtures: Path, tmp_path: Path, nats: Nats
) -> None:
    data = tmp_path / "data"
    recording = part_of(fixtures / "ctp/ticks/AP101_20200804.csv.gz", tmp_path, slice(0, None, 4))
    config = _settings(tmp_path, nats, recording)
    running = start("up", "--config", str(config), "--data-dir", str(data))
    printed = ""
    try:

        def bars() -> bool:
            return look("bars", "AP101", "--data-dir", str(data), "--format", "csv").stdout.count("\n") > 50

        assert _eventually(bars), "every front has let its account in"
        commands = _commands(data)
        assert all(any(runs(command, name) for command in commands) for name in in_up())
        made = json.loads(look("access", "init", "--json", "--data-dir", str(data)).stdout)
        key, password = made["key"], made["password"]
        shown = _shown(data, key)
        assert "access.user_create" in shown, "the audit log is among what is shown"
        nats.stop()
        time.sleep(2)
        for command in (("doctor", "--config", str(config)), ("status",), ("bars", "AP101")):
            done = look(*command, "--data-dir", str(data))
            printed += done.stdout + done.stderr
        nats.start()
        _eventually(lambda: "AP101" in look("status", "--data-dir", str(data)).stdout)
        for command in (("doctor", "--config", str(config)), ("status",)):
            done = look(*command, "--data-dir", str(data))
            printed += done.stdout + done.stderr
    finally:
        running.terminate()
        output, _ = running.communicate(timeout=60)
    printed += output
    assert "nats.disconnected" in printed
    assert f"nats://***@127.0.0.1:{nats.port}" in printed
    written = {path: path.read_bytes() for path in data.rglob("*") if path.is_file()}
    assert any(b"nats.disconnected" in text for path, text in written.items() if path.suffix == ".log")
    told = {path.relative_to(data).as_posix() for path, text in written.items() if b"s3cret" in text}
    assert told == {"run/url.secret"}
    # The streams hold events, the audit log and who may come in; of those digests.
    streams = [path.read_bytes() for path in (tmp_path / "nats").rglob("*") if path.is_file()]
    assert any(b"access.user_create" in text for text in streams)
    for secret in ("s3cret", key.split("_", 2)[2], password):
        assert secret not in shown
        assert not [text for text in streams if secret.encode() in text]
        assert secret == "s3cret" or not [path for path, text in written.items() if secret.encode() in text]
    assert "s3cret" not in printed + "".join(commands)
    open_to_others = [path for path in (data, *data.rglob("*")) if stat.S_IMODE(path.stat().st_mode) & 0o077]
    assert open_to_others == []


def _shown(data: Path, key: str) -> str:
    """Whatever services show of themselves to who may see everything."""
    status = json.loads(look("status", "--json", "--data-dir", str(data)).stdout)
    places = {each["service"]: each["endpoints"]["http"] for each in status["instances"]}
    pages = [f"{url}/{page}" for url in places.values() for page in ("metrics", "status", "health")]
    pages += [
        f"{places['api']}/api/v1/{page}" for page in ("system", "events", "admin/audit", "commands", "dead-letters")
    ]
    found = [json.dumps(status)]
    for page in pages:
        with urllib.request.urlopen(urllib.request.Request(page, headers={"X-API-Key": key}), timeout=20) as answer:
            found.append(answer.read().decode())
    return "\n".join(found)


def _commands(data: Path) -> list[str]:
    """Command lines of this run's processes."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            command = path.read_text().replace("\0", " ")
        except OSError:
            continue
        if str(data) in command:
            found.append(command)
    return found


def _eventually(look: object, deadline_s: float = 90) -> str:
    assert callable(look)
    end = time.monotonic() + deadline_s
    while time.monotonic() < end:
        if found := look():
            return str(found)
        time.sleep(0.5)
    raise AssertionError(f"not within {deadline_s:g} s")
