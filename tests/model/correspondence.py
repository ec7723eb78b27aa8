"""Which function of the product each step of the models is, and what is left out of it.

`python -m tests.model` explores the models; a test holds this table to both sides: every step that a model takes is in
it, and every function that it names is there. That a request is refused is no step: it is known to be from the moment at
which what it expects is so no longer, whenever its sender hears of it.
"""

from __future__ import annotations

from typing import NamedTuple

_ELECTION = "marketprism_sdk.election._election:Election."
_OBSERVER = "marketprism_sdk.election._observation:LeaseObserver."
_FENCE = "marketprism_sdk.streams._fence_record:Fence."
_PUBLISHER = "marketprism_sdk.streams._fence:FencedPublisher."
_SHARDS = "marketprism_sdk.partitions._shards:Shards."
_OWNERS = "marketprism_sdk.partitions._owners:Owners."
_MEMBERS = "marketprism_sdk.partitions._membership:Membership."
_STAGE = "marketprism_sdk.streams._stage:Stage."
_INPUT = "marketprism_sdk.streams._stage_takeover:StageInput."
_KV = "marketprism_sdk.nats.kv:NatsKeyValue."


class Same(NamedTuple):
    """A step of a model, what does it in the product (nothing: the world does), what is left out."""

    step: str
    functions: tuple[str, ...]
    left_out: str = ""


ELECTION: tuple[Same, ...] = (
    Same("starts", (_ELECTION + "run",), "a new life has a new name; here it has the old one, which is harder"),
    Same("dies", (), "kill -9, the host's loss: nothing of the process goes on, what it sent may arrive"),
    Same("is cut off", (), "the server drops the connection; where nothing drops it, requests are late"),
    Same("is back", (_OBSERVER + "blind",), "nats-py subscribes again in the same moment"),
    Same("waits no longer", (_ELECTION + "_check_own", _PUBLISHER + "_watched"), "how long anything is waited for"),
    Same("looks", (_OBSERVER + "look", _OBSERVER + "_see"), "without a clock the key is read where it is asked for"),
    Same("hears the holder", (_OBSERVER + "_unanswered",)),
    Same("misses the holder", (_OBSERVER + "_unanswered",), "two probes, whatever `probes` says"),
    Same("campaigns", (_ELECTION + "_campaign", _OBSERVER + "vacant", _ELECTION + "_unclaimed")),
    Same("takes the lease", (_KV + "update", _KV + "create"), "a bucket that is made anew"),
    Same("renews", (_ELECTION + "_renew",)),
    Same("renews the lease", (_KV + "update",)),
    Same("hears yes", (_ELECTION + "_acquired", _ELECTION + "_renew")),
    Same("reads its own", (_ELECTION + "_check_own",)),
    Same("is deposed", (_ELECTION + "_check_own", _ELECTION + "_step_down"), "hooks that hang"),
    Same("gives up", (_ELECTION + "surrender", _ELECTION + "release"), "rests"),
    Same("gives back", (_ELECTION + "_give_back",)),
    Same("gives the lease back", (_KV + "update",)),
    Same("sends its fence", (_FENCE + "raise_it",), "five attempts; here as many as it takes"),
    Same("has its fence", (_FENCE + "raise_it",)),
    Same("sees a later fence", (_FENCE + "raise_it", _ELECTION + "surrender")),
    Same("renews its fence", (_FENCE + "refresh", _PUBLISHER + "_renew"), "when: limits of the stream"),
    Same("raises the fence", (_FENCE + "_write",)),
    Same(
        "sends a write", (_PUBLISHER + "publish", _PUBLISHER + "_still_ours"), "windows and batches are one write each"
    ),
    Same("writes", (), "JetStream takes what expects the last record of the fence, whole or not at all"),
    Same("a tick", ("marketprism_sdk.clock:SystemClock.monotonic_s",), "clocks of different rates"),
)
HANDOVER: tuple[Same, ...] = (
    Same("starts", (_SHARDS + "run",)),
    Same("dies", ()),
    Same("waits no longer", (_OWNERS + "_write", _STAGE + "_interrupted"), "how long anything is waited for"),
    Same("joins", (_SHARDS + "_begin", _MEMBERS + "join"), "heartbeats: a live session is one that is kept"),
    Same("sees the sessions", (_SHARDS + "_hint", _SHARDS + "_refresh"), "all sessions are seen at once"),
    Same("declares the dead dead", (_MEMBERS + "look", _MEMBERS + "_declare_dead")),
    Same("declares the living dead", (_MEMBERS + "_probe", _MEMBERS + "_declare_dead"), "why: silence, probes"),
    Same("hears of its death", (_MEMBERS + "beat", _SHARDS + "_declared_dead")),
    Same("begins anew", (_SHARDS + "_start_again",)),
    Same("leaves", (_SHARDS + "leave", _MEMBERS + "drain")),
    Same("has left", (_MEMBERS + "leave",)),
    Same("asks for", (_SHARDS + "_claim", _SHARDS + "_settle_all"), "pauses before another try"),
    Same(
        "asks for what a member holds that it does not know",
        (_SHARDS + "_claim", _MEMBERS + "owns_still"),
        "a hint of a session was lost, that of its record was not",
    ),
    Same("claims", (_OWNERS + "claim",), "a bucket that is made anew"),
    Same("asks to release", (_SHARDS + "_give_back", _OWNERS + "release")),
    Same("releases", (_OWNERS + "release",)),
    Same("lets go", (_SHARDS + "_let_go", _STAGE + "disown", _SHARDS + "_agree")),
    Same("reads the checkpoint", (_INPUT + "_fence",), "snapshots, an input that was cut"),
    Same("takes over", (_INPUT + "_fence",)),
    Same("sees a later owner", ("marketprism_sdk.streams._stage_types:taken_over", _SHARDS + "lost")),
    Same("fails to take over", (_SHARDS + "_not_taken_over", _STAGE + "_own_again")),
    Same(
        "sends a batch",
        (_STAGE + "_take", _STAGE + "_commit", _STAGE + "_recover"),
        "a message's outputs in two batches; side messages",
    ),
    Same("commits", (_STAGE + "_finish",), "JetStream takes a batch whole or not at all"),
)

__all__ = ["ELECTION", "HANDOVER", "Same"]
