"""A real OpenID provider as a process of its own: the one of `oidc-provider-mock` (Flask and Authlib), which keeps no
PKCE challenges and never changes its key. Around it stands what does, and what makes it slow.

    python oidc_provider.py <port>

`POST /test/rotate` changes its key, `POST /test/delay?s=…` makes it slow.
"""

from __future__ import annotations

import base64
import hashlib
import io
import os
import sys
import time
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import parse_qs, urlsplit

Environ = dict[str, Any]
Start = Callable[..., Any]
App = Callable[[Environ, Start], Iterable[bytes]]


class Strict:
    """The provider, which takes a code only with the verifier of its challenge (RFC 7636)."""

    def __init__(self, inner: App, rotate: Callable[[], None]) -> None:
        self._inner = inner
        self._rotate = rotate
        self._challenges: dict[str, str] = {}
        self._delay_s = 0.0

    def __call__(self, environ: Environ, start: Start) -> Iterable[bytes]:
        path, query = environ["PATH_INFO"], parse_qs(environ.get("QUERY_STRING", ""))
        if path == "/test/rotate":
            self._rotate()
            return _answer(start, "204 No Content", b"")
        if path == "/test/delay":
            self._delay_s = float(query["s"][0])
            return _answer(start, "204 No Content", b"")
        time.sleep(self._delay_s)
        if path == "/oauth2/authorize" and query.get("code_challenge_method") != ["S256"]:
            return _answer(start, "400 Bad Request", b"expected PKCE")
        if path == "/oauth2/token":
            data = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
            environ["wsgi.input"] = io.BytesIO(data)
            form = parse_qs(data.decode())
            proof = hashlib.sha256(form.get("code_verifier", [""])[0].encode()).digest()
            challenge = base64.urlsafe_b64encode(proof).rstrip(b"=").decode()
            if self._challenges.pop(form.get("code", [""])[0], "") != challenge:
                return _answer(start, "400 Bad Request", b'{"error": "invalid_grant"}')

        def starting(status: str, headers: list[tuple[str, str]], *more: Any) -> Any:
            location = dict(headers).get("Location", "")
            for code in parse_qs(urlsplit(location).query).get("code", []):
                self._challenges[code] = query["code_challenge"][0]
            return start(status, headers, *more)

        return self._inner(environ, starting)


def _answer(start: Start, status: str, body: bytes) -> Iterable[bytes]:
    start(status, [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
    return [body]


def main() -> None:
    os.environ["AUTHLIB_INSECURE_TRANSPORT"] = "1"  # it is asked by http on this machine
    import oidc_provider_mock  # noqa: PLC0415
    from authlib.jose import RSAKey  # noqa: PLC0415
    from oidc_provider_mock import _app  # noqa: PLC0415
    from werkzeug.serving import make_server  # noqa: PLC0415

    app = oidc_provider_mock.app()

    def rotate() -> None:
        with app.test_request_context():
            app.preprocess_request()
            _app.storage.jwk = RSAKey.generate_key(is_private=True, options={"kid": os.urandom(8).hex()})

    server = make_server("127.0.0.1", int(sys.argv[1]), app, threaded=True)
    server.app = Strict(app.wsgi_app, rotate)
    print(server.server_port, flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
