"""Alerts about NATS: connections, rights, streams, and what was dropped on the way."""

from __future__ import annotations

from marketprism_services.monitoring.alert import Alert, Runbook, Scene, Severity, risen, rising

_PAGE, _TICKET = Severity.PAGE, Severity.TICKET
_WHO = 'service="validator",instance="validator-1"'
_OTHER = 'service="storage",instance="storage-1"'
_CONNECTED = "marketprism_nats_connected"
_MONITOR = 'service="monitor",instance="monitor-1"'
_ROOM = '{stream="JetStream"}'  # of all streams together


def _near_limit(severity: Severity, share: float, lasts: str) -> Alert:
    return Alert(
        "JetStreamNearLimit",
        severity,
        f"max(marketprism_stream_bytes{_ROOM} / (marketprism_stream_bytes_limit{_ROOM} > 0)) > {share:g}",
        lasts,
        "JetStream holds {{ $value | humanizePercentage }} of the bytes that it may",
        Runbook(
            "The room of all streams together is nearly used up; then nothing more is taken, and the pipeline stands.",
            (
                "Console page Streams, dashboard Broker: which stream holds most, and which grew.",
                "A stream that is full of its own bytes alone is no fault: it drops its oldest, which are stored.",
            ),
            (
                "Lower the age or the bytes of the largest streams, or give nats-server more room ([sizing](../sizing.md)).",
            ),
        ),
        (
            Scene(
                {
                    f"marketprism_stream_bytes{_ROOM}": "98x60",
                    f"marketprism_stream_bytes_limit{_ROOM}": "100x60",
                },
                "8m",
            ),
            Scene(
                {
                    f"marketprism_stream_bytes{_ROOM}": f"{share * 90:g}x60",
                    f"marketprism_stream_bytes_limit{_ROOM}": "100x60",
                    'marketprism_stream_bytes{stream="MARKET_RAW"}': "9x60",
                    'marketprism_stream_bytes_limit{stream="MARKET_RAW"}': "9x60",
                },
                "8m",
                0,
            ),
            Scene(
                {
                    f"marketprism_stream_bytes{_ROOM}": "98x60",
                    f"marketprism_stream_bytes_limit{_ROOM}": "0x60",
                },
                "8m",
                0,
            ),
        ),
        "broker",
    )


BROKER = (
    Alert(
        "BrokerUnreachable",
        _PAGE,
        "sum(marketprism_nats_connected) < 1",
        "10s",
        "No instance has a connection to NATS",
        Runbook(
            "NATS is away for everybody: nothing flows. Gateways hold what they can, and name what they could not as gaps.",
            ("`marketprism doctor`; the log of nats-server: is it up, has its cluster a majority, is its disk full?",),
            (
                "Start nats-server; of a cluster, bring back a majority. Services connect by themselves and go on where they were.",
                "Then look at console page Events for gaps.",
            ),
        ),
        (
            Scene({f"{_CONNECTED}{{{_WHO}}}": "1x4 0x40", f"{_CONNECTED}{{{_OTHER}}}": "1x4 0x40"}, "2m"),
            Scene({f"{_CONNECTED}{{{_WHO}}}": "1x4 0x40", f"{_CONNECTED}{{{_OTHER}}}": "1x40"}, "2m", 0),
        ),
        "broker",
    ),
    Alert(
        "NatsDisconnected",
        _PAGE,
        "marketprism_nats_connected == 0",
        "15s",
        "{{ $labels.service }} {{ $labels.instance }} has no connection to NATS",
        Runbook(
            "One instance is cut off from NATS; its leases and partitions go to others.",
            (
                "Its log (`nats.disconnected`): refused, timed out, wrong credentials, certificate? The network of its machine.",
            ),
            ("Mend network or credentials; it connects again by itself.",),
        ),
        (
            Scene({f"{_CONNECTED}{{{_WHO}}}": "1x4 0x40", f"{_CONNECTED}{{{_OTHER}}}": "1x40"}, "2m"),
            Scene({f"{_CONNECTED}{{{_WHO}}}": "1x40", f"{_CONNECTED}{{{_OTHER}}}": "1x40"}, "2m", 0),
        ),
        "broker",
        needs_broker=True,
    ),
    Alert(
        "NatsFlapping",
        _TICKET,
        "increase(marketprism_nats_reconnects_total[15m]) > 3",
        "0s",
        "{{ $labels.service }} {{ $labels.instance }} loses its connection to NATS again and again",
        Runbook(
            "A connection comes and goes; each time messages wait and leases are near their end.",
            (
                "Metric `marketprism_nats_disconnected_seconds_total`; log of nats-server: slow consumer, stale connection, auth expired?",
            ),
            ("Mend the network; a process that is too slow to read needs a core of its own.",),
        ),
        (
            Scene({f"marketprism_nats_reconnects_total{{{_WHO}}}": "0x8 2x8 4x8 6x40"}, "15m"),
            Scene({f"marketprism_nats_reconnects_total{{{_WHO}}}": "0x8 1x60"}, "15m", 0),
        ),
        "broker",
        needs_broker=True,
    ),
    Alert(
        "PermissionDenied",
        _TICKET,
        risen("marketprism_nats_not_permitted_total"),
        "0s",
        "NATS refuses subjects to {{ $labels.service }} {{ $labels.instance }}",
        Runbook(
            "The NATS user of a service may not do something that it tries. After an upgrade: rights of an older version. Else: somebody uses its credentials.",
            ("Log event `nats.not_permitted` names the subject; docs/nats-access.md what each service may.",),
            (
                "Write the users anew with `marketprism nats`, and reload nats-server. An unknown subject: change the credentials.",
            ),
        ),
        rising("marketprism_nats_not_permitted_total", _WHO),
        "broker",
    ),
    Alert(
        "SlowConsumers",
        _TICKET,
        risen("marketprism_broker_slow_consumers_total", "15m"),
        "0s",
        "NATS server {{ $labels.server }} cut off who did not read what it was sent",
        Runbook(
            "A connection was sent more than it read, and the server closed it. A service connects again and reads its streams where it was; who only listens has missed something.",
            (
                "Log of that nats-server: `Slow Consumer Detected` with the connection; its name is that of a service, or of somebody's program.",
                "Dashboard Runtime: processor and event loop of that service. `BusMessagesDropped`, `LoopStalled`.",
            ),
            ("Give it a core, or a faster line; somebody's program: fewer subjects, or the live stream of the API.",),
        ),
        rising("marketprism_broker_slow_consumers_total", f'{_MONITOR},server="n1"'),
        "broker",
    ),
    _near_limit(_PAGE, 0.95, "15s"),
    _near_limit(_TICKET, 0.8, "5m"),
    Alert(
        "ReplicaBehind",
        _TICKET,
        "max by (stream) (marketprism_stream_replicas_behind) > 0",
        "1m",
        "{{ $labels.stream }} has {{ $value }} replicas that lack something",
        Runbook(
            "A server of the cluster is away or catches up: the next loss may cost the majority.",
            ("Log of the nats-servers; console page Streams → the stream.",),
            ("Start the server that is away; wait until it has caught up before another is stopped.",),
        ),
        (
            Scene({'marketprism_stream_replicas_behind{stream="MARKET_RAW"}': "0x2 1x40"}, "4m"),
            Scene({'marketprism_stream_replicas_behind{stream="MARKET_RAW"}': "0x2 1x2 0x40"}, "4m", 0),
        ),
        "broker",
    ),
    Alert(
        "StreamMadeAnew",
        _PAGE,
        risen("marketprism_streams_made_anew_total", "15m"),
        "0s",
        "{{ $labels.stream }} was gone and is there again, empty",
        Runbook(
            "A stream was missing and was created again without its messages: somebody deleted it, or NATS lost its disk.",
            ("Who did it: audit log, log of nats-server. Console page Events: gaps since then.",),
            ("Restore it from a backup where one is there; the store holds what had been stored before.",),
        ),
        (
            Scene({f'marketprism_streams_made_anew_total{{{_OTHER},stream="MARKET_RAW"}}': "_x8 1x40"}, "3m"),
            Scene({f'marketprism_streams_made_anew_total{{{_OTHER},stream="MARKET_RAW"}}': "1x120"}, "25m", 0),
        ),
        "broker",
    ),
    Alert(
        "BusMessagesDropped",
        _TICKET,
        risen("marketprism_bus_messages_dropped_total"),
        "0s",
        "{{ $labels.service }} {{ $labels.instance }} drops messages: a queue is full",
        Runbook(
            "A subscription of a process was full and messages were dropped. Streams are not affected: they are read at their pace.",
            ("Dashboard Runtime: processor and loop of the instance.",),
            ("Give it a core; more instances of a replicated service share the calls.",),
        ),
        rising("marketprism_bus_messages_dropped_total", _WHO),
        "broker",
    ),
    Alert(
        "EventsDropped",
        _TICKET,
        risen("marketprism_events_dropped_total", by="service, instance"),
        "0s",
        "{{ $labels.service }} {{ $labels.instance }} is behind with events and drops some",
        Runbook(
            "A handler of events is too slow and newer ones push out those that wait.",
            ("Label `event` of the metric; log of the instance.",),
            ("Mend what makes the handler slow. The events themselves are stored and can be read.",),
        ),
        rising("marketprism_events_dropped_total", f'{_WHO},event="gap_found"'),
        "broker",
    ),
    Alert(
        "DeadLetters",
        _TICKET,
        risen("marketprism_dead_letters_total"),
        "0s",
        "{{ $labels.service }} {{ $labels.instance }} set a command or message aside",
        Runbook(
            "A command or message failed as often as it may and was set aside. Nothing is lost; nobody does it any more.",
            ("`marketprism dead-letters`, console page Dead letters: what it was, and the error.",),
            ("Mend the cause, then send it again from the console or drop it.",),
        ),
        rising("marketprism_dead_letters_total", _WHO),
        "broker",
    ),
)

__all__ = ["BROKER"]
