"""What a user of NATS may publish and subscribe to: the subjects of the server's own rules, by what they are for.

JetStream is asked by publishing to subjects, so that a right to a stream is a right to some of those. What a user was
not given is refused by the server, and said in its log and in that of whoever asked (`nats.not_permitted`).

A consumer, and each question to JetStream, names the subject of its answer, and the server publishes it there whoever
asked: who may ask JetStream of an account can put a message that is stored on any subject of that account. Rights of
this kind are therefore given to services alone (ADR 0044).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Self

_API = "$JS.API"
# What the server tells of streams that are made and deleted.
STREAM_ADVISORIES = tuple(f"$JS.EVENT.ADVISORY.STREAM.{what}.*" for what in ("CREATED", "DELETED"))


@dataclass
class Rights:
    """Subjects with wildcards; what is denied is so whatever allows it. The methods add, and return the same object."""

    publish: set[str] = field(default_factory=set)
    subscribe: set[str] = field(default_factory=set)
    publish_denied: set[str] = field(default_factory=set)
    subscribe_denied: set[str] = field(default_factory=set)

    def publishes(self, *subjects: str) -> Self:
        """May publish to these."""
        self.publish.update(subjects)
        return self

    def subscribes(self, *subjects: str) -> Self:
        """May subscribe to these."""
        self.subscribe.update(subjects)
        return self

    def but_not(self, *, publish: Iterable[str] = (), subscribe: Iterable[str] = ()) -> Self:
        """May not, whatever else is allowed."""
        self.publish_denied.update(publish)
        self.subscribe_denied.update(subscribe)
        return self

    def reads(self, *streams: str) -> Self:
        """May see the state of streams and get single messages."""
        for stream in streams:
            for name in ("STREAM.INFO", "STREAM.MSG.GET", "DIRECT.GET"):
                self.publish.add(f"{_API}.{name}.{stream}")
            self.publish.add(f"{_API}.DIRECT.GET.{stream}.>")
        return self

    def consumes(self, *streams: str) -> Self:
        """May read streams through consumers that are made for it, besides."""
        for stream in streams:
            self.publish.add(f"{_API}.CONSUMER.CREATE.{stream}")
            self.publish.update(
                f"{_API}.CONSUMER.{name}.{stream}.>" for name in ("CREATE", "INFO", "DELETE", "MSG.NEXT")
            )
        return self.reads(*streams)

    def works_off(self, stream: str, consumer: str, subject: str) -> Self:
        """May take messages of a work queue by one named consumer, and acknowledge them."""
        self.publish.add(f"{_API}.CONSUMER.CREATE.{stream}.{consumer}.{subject}")
        self.publish.update(f"{_API}.CONSUMER.{name}.{stream}.{consumer}" for name in ("INFO", "MSG.NEXT"))
        # $JS.ACK.<stream>.<consumer>.…, or with a domain and the hash of an account before them
        self.publish.update((f"$JS.ACK.{stream}.{consumer}.>", f"$JS.ACK.*.*.{stream}.{consumer}.>"))
        return self

    def makes(self, *streams: str) -> Self:
        """May make streams and change how they are set up; not delete them."""
        for stream in streams:
            self.publish.update(f"{_API}.STREAM.{name}.{stream}" for name in ("CREATE", "UPDATE"))
        return self.reads(*streams)

    def hears_of_streams(self) -> Self:
        """May hear that streams are made and deleted."""
        return self.subscribes(*STREAM_ADVISORIES)

    def reads_buckets(self, *buckets: str) -> Self:
        """May read buckets and follow their changes."""
        self.subscribe.update(f"kv.{bucket}.>" for bucket in buckets)
        return self.reads(*(f"KV_{bucket}" for bucket in buckets))

    def copies_streams(self) -> Self:
        """May take a copy of every stream and bucket, and read what is in them to compare it."""
        self.publish.update(f"{_API}.{name}.*" for name in ("STREAM.SNAPSHOT", "STREAM.INFO", "DIRECT.GET"))
        self.publish.add("$JS.SNAPSHOT.ACK.>")  # each piece is asked for
        return self

    def writes_bucket(self, bucket: str, *keys: str) -> Self:
        """May write keys (all without any) of a bucket, which it makes where it is not there."""
        self.publish.update(f"$KV.{bucket}.{key}" for key in keys or (">",))
        self.publish.add(f"{_API}.STREAM.PURGE.KV_{bucket}")  # a deletion takes what was there out
        return self.reads_buckets(bucket).makes(f"KV_{bucket}")


__all__ = ["STREAM_ADVISORIES", "Rights"]
