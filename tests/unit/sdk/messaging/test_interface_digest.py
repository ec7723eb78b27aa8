"""An interface is known by its digest, which whoever receives it computes again."""

from __future__ import annotations

import msgspec
import pytest

from marketprism_sdk.messaging import HttpInterface, ServiceInterface


@pytest.mark.parametrize("timeout_s", [60, 60.0, 0.5])
def test_the_digest_is_the_same_for_who_declares_it_and_for_who_receives_it(timeout_s: float) -> None:
    request = HttpInterface("POST", "/api/v1/a/test", "sys:operate", timeout_s=timeout_s)
    declared = ServiceInterface("a", "1", requests=(request,))
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(declared), type=ServiceInterface).digest == declared.digest


def test_another_interface_has_another_digest() -> None:
    one = ServiceInterface("a", "1", requests=(HttpInterface("POST", "/api/v1/a/test", "sys:operate"),))
    assert len({one.digest, msgspec.structs.replace(one, version="2").digest, ServiceInterface("a", "1").digest}) == 3
