"""Leader election: leases and their holders."""

from marketprism_sdk.election._election import Election
from marketprism_sdk.election._lease import (
    CLOCK_SLACK,
    LEASES,
    Epoch,
    LeaseAcquired,
    LeaseLost,
    LeaseRecord,
    LeaseReleased,
    LeaseRenewed,
    LeaseSettings,
    Prober,
    Role,
    decode_lease,
    encode_lease,
)

__all__ = [
    "CLOCK_SLACK",
    "LEASES",
    "Election",
    "Epoch",
    "LeaseAcquired",
    "LeaseLost",
    "LeaseRecord",
    "LeaseReleased",
    "LeaseRenewed",
    "LeaseSettings",
    "Prober",
    "Role",
    "decode_lease",
    "encode_lease",
]
