"""Why an instance could not be looked at: what is the instance's, and what is not."""

from __future__ import annotations

import pytest

from marketprism_sdk.errors import DeadlineExceeded, NoResponders, NotConnected
from marketprism_sdk.messaging import InstanceRecord
from marketprism_services.api.operate.inspection import _no_answer


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (NoResponders("x"), "nobody answers for it"),
        (DeadlineExceeded("x"), "frozen, overloaded or cut off"),
        (NotConnected("NATS is away"), "NATS is away"),
    ],
)
def test_an_instance_is_not_blamed_for_what_is_not_its_fault(error: Exception, text: str) -> None:
    record = InstanceRecord("query", "query-1", "1", "active", 0, 0)
    assert text in str(_no_answer(record, error))
