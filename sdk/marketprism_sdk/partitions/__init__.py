"""Which instance owns which partition."""

from marketprism_sdk.partitions._hashing import partition_of, rendezvous, weight
from marketprism_sdk.partitions._membership import SESSION_PREFIX, SessionRecord
from marketprism_sdk.partitions._owners import OWNER_PREFIX, OwnerRecord, decode_owner, partition_of_key
from marketprism_sdk.partitions._shards import Shards
from marketprism_sdk.partitions._takeovers import ShardClaimed, ShardDisagreed

__all__ = [
    "OWNER_PREFIX",
    "SESSION_PREFIX",
    "OwnerRecord",
    "SessionRecord",
    "ShardClaimed",
    "ShardDisagreed",
    "Shards",
    "decode_owner",
    "partition_of",
    "partition_of_key",
    "rendezvous",
    "weight",
]
