"""How long whoever fails to log in has to wait: by account and address, and by address; never by account alone.

An account alone would let anybody lock its owner out.
"""

from __future__ import annotations

import msgspec

from marketprism_application.contracts.access_records import FailedLogins

FREE = 5  # failures of one account from one address that cost nothing
LONGEST_S = 900.0
ADDRESS_FAILURES, ADDRESS_S = 20, 600.0  # of one address, whatever the accounts
_S = 10**9


def after_failure(before: FailedLogins, now: int) -> FailedLogins:
    """The record with one more failure, at `now` in nanoseconds."""
    stamps = (*before.stamps, now)[-ADDRESS_FAILURES:]
    return msgspec.structs.replace(before, count=before.count + 1, stamps=stamps)


def account_wait_s(failed: FailedLogins | None, now: int) -> float:
    """Seconds until an account may be tried again from an address: 1, 2, 4 … 900 after the free failures; 0: now."""
    if failed is None or failed.count <= FREE:
        return 0.0
    wait_s = min(LONGEST_S, 2.0 ** min(failed.count - FREE - 1, 20))
    return max(0.0, wait_s - (now - failed.stamps[-1]) / _S)


def address_wait_s(failed: FailedLogins | None, now: int) -> float:
    """Seconds until anything may be tried again from an address; 0: now."""
    if failed is None or len(failed.stamps) < ADDRESS_FAILURES:
        return 0.0
    return max(0.0, ADDRESS_S - (now - failed.stamps[-ADDRESS_FAILURES]) / _S)
