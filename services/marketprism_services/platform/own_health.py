"""Whether a service of this machine, or of this container, says that it is well: the question of `marketprism health`.

Asked every few seconds by whoever watches containers, so nothing is loaded but the standard library: no settings, no
HTTP library. What the service was given is read where it stands: in the command line of process 1, in the environment
and in the file that it was started with.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple
from urllib.parse import urlsplit

from marketprism_services.settings.services import SERVICES

ANSWER_S = 4.0  # below what engines give a check by default
_PORTS = {row.name: row.port for row in SERVICES}
_DEFAULT_HOST = "127.0.0.1"
_ANYWHERE = {"0.0.0.0": _DEFAULT_HOST, "::": "::1", "": _DEFAULT_HOST}  # noqa: S104 (asked at loopback)
_MOST = 65_536  # bytes of an answer
_OF_ALL = "monitor"  # whose health is that of what `up` runs


class Asked(NamedTuple):
    """What was found: whether it is well, and one sentence about it."""

    well: bool
    text: str


class NotKnown(Exception):
    """Which service is meant, or where it listens, cannot be told; the text says what is expected."""


def urls_of(services: str, environ: Mapping[str, str], first: Sequence[str]) -> list[str]:
    """Where the named services listen, `gateway+validator` for several; without a name, those that process 1 runs.

    `first` is the command line of process 1.

    Raises:
        NotKnown: no such service, or process 1 runs none.
    """
    names = services.split("+") if services else _run_by(first)
    for name in names:
        if name not in _PORTS:
            raise NotKnown(f"service: expected one of {', '.join(sorted(_PORTS))}, was {name[:80]!r}")
    http = _http_of(first)
    return [_url(name, environ, http) for name in names]


def ask(url: str, *, ready: bool, timeout_s: float = ANSWER_S) -> Asked:
    """What a service answers at `/health/ready` or `/health`, or at the path of the URL, where it has one.

    Raises:
        NotKnown: no URL that one can ask.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port or {"http": 80, "https": 443}.get(parts.scheme, 0)
    except ValueError:
        host, port = "", 0
    if not host or not port or parts.scheme not in ("http", "https"):
        raise NotKnown(f"--url: expected http://host:port or https://host:port, was {url[:80]!r}")
    path = "/health/ready" if ready else "/health"
    if parts.path not in ("", "/"):  # of another server, such as NATS
        path = parts.path + (f"?{parts.query}" if parts.query else "")
    try:
        status, body = _get(parts.scheme == "https", host, port, path, timeout_s)
    except TimeoutError:
        return Asked(False, f"{url}: no answer within {timeout_s:g} s")
    except OSError as error:
        return Asked(False, f"{url}: no answer: {error.strerror or type(error).__name__}")
    except ValueError:
        return Asked(False, f"{url}: expected HTTP, was something else")
    if status == 200:
        return Asked(True, f"{url}: ready" if ready else f"{url}: healthy")
    return Asked(False, f"{url}: {_reason(status, body, ready=ready)}")


def command_of_first(path: str = "/proc/1/cmdline") -> list[str]:
    """The command line of process 1; empty where it cannot be read."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:  # noqa: PTH123 (pathlib costs as much as the rest)
            return file.read().rstrip("\0").split("\0")
    except OSError:
        return []


def _run_by(first: Sequence[str]) -> list[str]:
    words = list(first)
    for number, word in enumerate(words):
        if word == "run" and number + 1 < len(words):
            return words[number + 1].split("+")
        if word == "up" and number and words[number - 1].endswith(("marketprism", "marketprism_services")):
            return [_OF_ALL]
    raise NotKnown("service: expected its name or --url, process 1 runs none")


def _http_of(first: Sequence[str]) -> dict[str, object]:
    """The section `http` of the file that process 1 was started with; empty where there is none."""
    given = ""
    for number, word in enumerate(first):
        name, equals, value = word.partition("=")
        if name == "--config":
            given = value if equals else "".join(first[number + 1 : number + 2])
    if not given:
        return {}
    import json  # noqa: PLC0415 (only where there is a file)
    import tomllib  # noqa: PLC0415
    from pathlib import Path  # noqa: PLC0415

    try:
        text = Path(given).read_text(encoding="utf-8")
        values = json.loads(text) if given.endswith(".json") else tomllib.loads(text)
        found = values.get("http", {})
    except OSError as error:
        raise NotKnown(f"settings file {given}: expected one that can be read: {error.strerror}") from error
    except ValueError as error:
        raise NotKnown(f"settings file {given}: expected TOML or JSON: {type(error).__name__}") from error
    return found if isinstance(found, dict) else {}


def _url(name: str, environ: Mapping[str, str], http: Mapping[str, object]) -> str:
    def given(key: str, usual: object) -> str:
        return environ.get(f"MARKETPRISM_HTTP__{key.upper()}") or str(http.get(key, usual))

    host = given("host", _DEFAULT_HOST)
    host = _ANYWHERE.get(host, host)
    tls = http.get("tls")
    secured = environ.get("MARKETPRISM_HTTP__TLS__CERT") or (tls.get("cert") if isinstance(tls, dict) else None)
    port = given(name, _PORTS[name])
    if not port.isdecimal() or port == "0":
        raise NotKnown(f"http.{name}: expected a port that is known, or --url, was {port[:80]!r}")
    return f"{'https' if secured else 'http'}://{f'[{host}]' if ':' in host else host}:{port}"


def _get(secured: bool, host: str, port: int, path: str, timeout_s: float) -> tuple[int, bytes]:
    """Status and body. Raises OSError, TimeoutError, ValueError: it is no answer."""
    from time import monotonic  # noqa: PLC0415 (built in)

    end = monotonic() + timeout_s
    with socket.create_connection((host, port), timeout=timeout_s) as plain:
        connection = _secured(plain, host) if secured else plain
        # Without a name of a host: no page can ask so, hence it is answered whatever names are allowed.
        connection.sendall(f"GET {path} HTTP/1.0\r\n\r\n".encode())
        got = b""
        while len(got) < _MOST:
            left = end - monotonic()
            if left <= 0:
                raise TimeoutError
            connection.settimeout(left)
            piece = connection.recv(_MOST)
            if not piece:
                break
            got += piece
    head, _, body = got.partition(b"\r\n\r\n")
    words = head.split(None, 2)
    if len(words) < 2 or not words[0].startswith(b"HTTP/") or not words[1].isdigit():
        raise ValueError("no HTTP")
    return int(words[1]), body


def _secured(plain: socket.socket, host: str) -> socket.socket:
    """Over TLS; whose certificate it is does not matter, it is asked at its own machine."""
    import ssl  # noqa: PLC0415 (only where it is spoken)

    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    certificate, key = (os.environ.get(f"MARKETPRISM_HTTP__TLS__{name}") for name in ("CERT", "KEY"))
    if certificate and key:  # where callers need one, it is the only one here
        context.load_cert_chain(certificate, key)
    return context.wrap_socket(plain, server_hostname=host)


def _reason(status: int, body: bytes, *, ready: bool) -> str:
    import json  # noqa: PLC0415 (only of what is not well)

    try:
        told = json.loads(body)
        reasons: Iterable[tuple[str, str]] = told.get("reasons", {}).items()
        state = str(told.get("status", "")) or ("not ready" if ready and told.get("ready") is False else "")
    except (ValueError, AttributeError):
        return f"answered {status}"
    why = "; ".join(f"{name}: {reason}" for name, reason in reasons)
    return f"{state or f'answered {status}'}{f' ({why})' if why else ''}"


__all__ = ["ANSWER_S", "Asked", "NotKnown", "ask", "command_of_first", "urls_of"]
