"""Databases of VeighNa on real servers, MariaDB and PostgreSQL: the same rows as of a SQLite file, and nothing secret said.

Needs root, mariadb-server and postgresql (apt-get install mariadb-server postgresql), PyMySQL and psycopg.
"""

from __future__ import annotations

import gzip
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from decimal import Decimal, InvalidOperation
from pathlib import Path

import pyarrow as pa
import pytest

from marketprism_adapters.imports.registry import open_rows
from marketprism_adapters.imports.veighna.recordings import recordings_of
from marketprism_adapters.imports.veighna.settings import database_of
from marketprism_application.errors import SourceError
from marketprism_application.ports.imports import ROWS
from tests.support import veighna_databases as veighna

pytestmark = pytest.mark.ops
PASSWORD = "p%w`d\"'1"  # signs that mean something to a shell, to SQL and to formats
_WAIT_S = 60
_TICKS = 17_000  # more than a block, so that a cursor goes on
Login = dict[str, object]


def _free_port() -> int:
    with closing(socket.socket()) as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
        return port


def _tool(name: str, places: str) -> str:
    found = shutil.which(name) or next((str(each) for each in sorted(Path("/").glob(places))), None)
    if os.geteuid() != 0 or found is None:
        pytest.skip(f"needs root and {name}: apt-get install mariadb-server postgresql")
    return found


@contextmanager
def _until_ended(process: subprocess.Popen[bytes]) -> Iterator[None]:
    try:
        yield
    finally:
        process.terminate()
        process.wait(_WAIT_S)


def _when_up(connect: Callable[[], object], process: subprocess.Popen[bytes]) -> object:
    until = time.monotonic() + _WAIT_S
    while True:
        try:
            return connect()
        except Exception:
            if time.monotonic() > until or process.poll() is not None:
                raise
            time.sleep(0.1)


@contextmanager
def _mysql(folder: Path) -> Iterator[Login]:
    pymysql = pytest.importorskip("pymysql")
    server = _tool("mariadbd", "usr/sbin/mariadbd")
    data, address = folder / "data", folder / "socket"
    subprocess.run(
        [
            shutil.which("mariadb-install-db") or "",
            f"--datadir={data}",
            "--user=root",
            "--skip-test-db",
            "--auth-root-authentication-method=normal",
        ],
        check=True,
        capture_output=True,
    )
    port = _free_port()
    options = [f"--datadir={data}", f"--socket={address}", f"--port={port}", "--bind-address=127.0.0.1", "--user=root"]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([server, "--no-defaults", *options], stdout=log, stderr=log)
    login: Login = {"host": "127.0.0.1", "port": port, "user": "vn", "password": PASSWORD, "database": "vnpy"}
    with _until_ended(process):
        _when_up(address.stat, process)  # who comes earlier leaves a socket open, says Python
        root = _when_up(lambda: pymysql.connect(unix_socket=str(address), user="root"), process)
        with closing(root) as connection, connection.cursor() as cursor:  # type: ignore[type-var]
            cursor.execute("CREATE DATABASE vnpy CHARACTER SET utf8mb4")
            cursor.execute("CREATE USER 'vn'@'127.0.0.1' IDENTIFIED BY %s", (PASSWORD,))
            cursor.execute("GRANT ALL ON vnpy.* TO 'vn'@'127.0.0.1'")
        with closing(pymysql.connect(**login, charset="utf8mb4")) as connection, connection.cursor() as cursor:
            veighna.filled(cursor.execute, veighna.MYSQL, veighna.BARS, _ticks())
            connection.commit()
        yield {"name": "mysql"} | login


@contextmanager
def _postgresql(folder: Path) -> Iterator[Login]:
    psycopg = pytest.importorskip("psycopg")
    initdb = _tool("initdb", "usr/lib/postgresql/*/bin/initdb")
    data, secret = folder / "data", folder / "secret"
    secret.write_text(PASSWORD + "\n")
    for path in (folder, secret):
        shutil.chown(path, "postgres")
    for parent in (folder, *folder.parents):  # the server is not root, and must come to its folder
        if parent.stat().st_uid == 0 and str(parent).startswith(("/tmp/", str(folder))):
            parent.chmod(parent.stat().st_mode | 0o011)
    as_user = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]
    subprocess.run(
        [*as_user, initdb, "-D", str(data), "-U", "vn", "-A", "scram-sha-256", f"--pwfile={secret}", "-E", "UTF8"],
        check=True,
        capture_output=True,
        cwd=folder,
    )
    port = _free_port()
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [
                *as_user,
                str(Path(initdb).with_name("postgres")),
                "-D",
                str(data),
                "-p",
                str(port),
                "-k",
                str(folder),
                "-h",
                "127.0.0.1",
            ],
            stdout=log,
            stderr=log,
            cwd=folder,
        )
    login: Login = {"host": "127.0.0.1", "port": port, "user": "vn", "password": PASSWORD}
    with _until_ended(process):
        first = _when_up(lambda: psycopg.connect(**login, dbname="postgres", autocommit=True), process)
        with first as connection:  # type: ignore[attr-defined]
            connection.execute("CREATE DATABASE vnpy")
        with psycopg.connect(**login, dbname="vnpy") as connection:
            rows = [tuple(3.4e38 if cell == veighna.NO_PRICE else cell for cell in row) for row in _ticks()]
            veighna.filled(connection.execute, veighna.POSTGRES, veighna.BARS, rows)
        yield {"name": "postgresql", "database": "vnpy"} | login


def _ticks() -> list[veighna.Row]:
    return [veighna.tick(n) for n in range(_TICKS)]


def _bars(path: Path) -> dict[object, list[dict[str, object]]]:
    file = open_rows(path)
    return {
        series: pa.Table.from_batches(list(file.batches(series)), ROWS["bar"]).to_pylist()
        for series in file.facts.series
    }


def _texts(path: Path, out: Path) -> list[list[str]]:
    place = database_of(path)
    (made,) = recordings_of(place, place.zone, [], out)
    assert made.path is not None
    assert made.rows == _TICKS
    with gzip.open(made.path, "rt", encoding="utf-8") as file:
        return [[_plain(cell) for cell in line.rstrip("\n").split(",")] for line in file]


def _plain(cell: str) -> str:
    """A number without the way in which it is written: 1000000 of `1000000.0` and of `1e+06`."""
    try:
        return format(Decimal(cell).normalize(), "f")
    except InvalidOperation:
        return cell


@pytest.mark.timeout(300)
@pytest.mark.parametrize("server", [_mysql, _postgresql])
def test_a_server_gives_what_a_file_gives(server: Callable[[Path], object], tmp_path: Path) -> None:
    folders = [tmp_path / name for name in ("server", "file", "settings")]
    for each in folders:
        each.mkdir()
    with server(folders[0]) as login:  # type: ignore[attr-defined]
        there = veighna.settings(folders[2], **login)
        here = veighna.sqlite_database(folders[1], ticks=_ticks())
        bars = _bars(here)
        assert len(bars) == 3
        assert _bars(there) == bars
        assert _texts(there, tmp_path / "of-server") == _texts(here, tmp_path / "of-file")

        wrong = veighna.settings(folders[2], **login | {"password": "not the password"})
        with pytest.raises(SourceError) as raised:
            open_rows(wrong)
        assert f"database {login['name']}://vn@127.0.0.1:{login['port']}/vnpy" in str(raised.value)
        assert "not the password" not in str(raised.value)
        assert "\n" not in str(raised.value)
