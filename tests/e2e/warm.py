"""Commands as processes of their own that need not load what a command loads: a server has, and forks for each.

What a command prints and the code it ends with are those of the program. How the program starts is not seen here; that
is what `tests.e2e.program.run` is for.
"""

from __future__ import annotations

import atexit
import functools
import gc
import importlib
import json
import os
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import traceback
from os import _exit
from pathlib import Path

_LENGTH, _CODE = struct.Struct("!I"), struct.Struct("!i")
# Commands that read, with what they load at their first use.
_LOADED = (
    *(f"marketprism_services.cli.{name}" for name in ("app", "inspect", "offline", "pictures", "read", "status", "up")),
    "marketprism_services.platform.local_stack",
    "marketprism_client",
    "marketprism_sdk.nats.connection",
    "nats",
    "numpy",
    "pandas",
    "pyarrow.compute",
    "pyarrow.parquet",
)


def ask(arguments: tuple[str, ...], environment: dict[str, str], timeout_s: float) -> subprocess.CompletedProcess[str]:
    """What a command printed and its exit code, below zero for a signal.

    Raises:
        TimeoutExpired: it has not ended within `timeout_s`.
    """
    with (
        socket.socket(socket.AF_UNIX) as server,
        tempfile.TemporaryFile("w+") as out,
        tempfile.TemporaryFile("w+") as err,
    ):
        server.connect(_served())
        server.settimeout(timeout_s)
        request = json.dumps({"arguments": arguments, "environment": environment}).encode()
        socket.send_fds(server, [_LENGTH.pack(len(request))], [out.fileno(), err.fileno()])
        server.sendall(request)
        try:
            code = server.recv(_CODE.size, socket.MSG_WAITALL)
        except TimeoutError as error:
            raise subprocess.TimeoutExpired(arguments, timeout_s) from error
        assert len(code) == _CODE.size, "expected the exit code of a command, was the end of the server"
        out.seek(0)
        err.seek(0)
        return subprocess.CompletedProcess(arguments, _CODE.unpack(code)[0], out.read(), err.read())


@functools.cache
def _served() -> str:
    """Address of the server of this process, which is started at the first use and ends with it."""
    folder = tempfile.TemporaryDirectory(prefix="commands-")
    address = str(Path(folder.name) / "socket")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(address)
        listener.listen(64)
        server = subprocess.Popen([sys.executable, __file__, str(listener.fileno())], pass_fds=[listener.fileno()])

    def end() -> None:
        server.kill()
        server.wait()
        folder.cleanup()

    atexit.register(end)
    return address


def _serve(listener: socket.socket) -> None:
    """Fork for each command that is asked for, without an end."""
    for name in _LOADED:
        importlib.import_module(name)
    gc.freeze()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # who waits for a command is its keeper
    while True:
        client, _ = listener.accept()
        if not os.fork():
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            listener.close()
            _keep(client)
        client.close()


def _keep(client: socket.socket) -> None:
    """Run one command in a process below this one, say how it ended, and end."""
    head, fds, _, _ = socket.recv_fds(client, _LENGTH.size, 2)
    request = json.loads(client.recv(_LENGTH.unpack(head)[0], socket.MSG_WAITALL))
    command = os.fork()
    if not command:
        client.close()
        _become(request["arguments"], request["environment"], fds)
    code = os.waitstatus_to_exitcode(os.waitpid(command, 0)[1])
    client.sendall(_CODE.pack(code))
    _exit(0)


def _become(arguments: list[str], environment: dict[str, str], fds: list[int]) -> None:
    """Be the program, with these arguments, this environment and these files as its output."""
    for number, fd in enumerate(fds, 1):
        os.dup2(fd, number)
        os.close(fd)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = ["marketprism", *arguments]
    sys.orig_argv = [sys.executable, "-m", "marketprism_services", *arguments]
    from marketprism_services.__main__ import main  # noqa: PLC0415 (the server's side alone)

    code: int | str | None = 1
    try:
        main()
        code = 0
    except SystemExit as end:
        code = end.code or 0
        if isinstance(code, str):
            print(code, file=sys.stderr)
            code = 1
    except BaseException:  # shown as the interpreter shows it
        traceback.print_exc()
        raise
    finally:  # at once: taking all apart that was loaded is most of what a command costs
        sys.stdout.flush()
        sys.stderr.flush()
        _exit(int(code or 0))


if __name__ == "__main__":
    _serve(socket.socket(fileno=int(sys.argv[1])))
