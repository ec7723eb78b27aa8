"""Alerts about sources: silent in their session, unreachable, books that are not the venue's, clocks that differ."""

from __future__ import annotations

from marketprism_services.monitoring.alert import Alert, Runbook, Scene, Severity, risen, rising

_PAGE, _TICKET = Severity.PAGE, Severity.TICKET
_WHO = 'service="gateway",group="a",instance="gateway-1"'
_QUIET, _EXPECTED = f"marketprism_source_quiet_seconds{{{_WHO}}}", f"marketprism_source_expected{{{_WHO}}}"

FEEDS = (
    Alert(
        "FeedSilentInSession",
        _PAGE,
        "marketprism_source_quiet_seconds > 30 and marketprism_source_expected == 1",
        "10s",  # how long it has been silent is counted already
        "{{ $labels.instance }} has brought nothing for {{ $value | humanizeDuration }}, in the session",
        Runbook(
            "A source is connected, the calendar says that its instruments trade, and nothing comes. Nights and holidays are silent by themselves.",
            (
                "Console page System → the gateway; `marketprism gateway`; the venue's status page; another source of the same venue.",
            ),
            (
                "Have the gateway reconnect: `marketprism gateway`. A halt of the venue: wait; the gap is named when it is over.",
            ),
        ),
        (
            Scene({_QUIET: "0x4 61+15x40", _EXPECTED: "1x60"}, "3m"),
            Scene({_QUIET: "0x4 61+15x40", _EXPECTED: "0x60"}, "3m", 0),
            Scene({_QUIET: "20x60", _EXPECTED: "1x60"}, "3m", 0),
        ),
        "feeds",
        needs_broker=True,
    ),
    Alert(
        "FeedUnreachable",
        _PAGE,
        "increase(marketprism_source_retries_total[5m]) > 3",
        "30s",
        "{{ $labels.instance }} cannot reach its source",
        Runbook(
            "The gateway tries again and again to reach its source.",
            ("Log event `source.away` has the reason: name, network, certificate, password, limit of logins.",),
            ("Mend it, or give another front or URL in the settings. What is missed is named as a gap.",),
        ),
        (
            Scene({f"marketprism_source_retries_total{{{_WHO}}}": "0+1x60"}, "3m"),
            Scene({f"marketprism_source_retries_total{{{_WHO}}}": "0x4 1x60"}, "6m", 0),
        ),
        "feeds",
    ),
    Alert(
        "ConnectionsMissing",
        _TICKET,
        "marketprism_source_connections - marketprism_source_connections_up > 0",
        "1m",
        "{{ $labels.instance }} lacks {{ $value }} connections to its venue",
        Runbook(
            "Some connections to the venue do not stand: their streams are silent or single.",
            ("Log of the gateway; metric `marketprism_source_losses_total`; limits of the venue for an address.",),
            ("They come back by themselves. Refused ones: fewer instruments, or a second address.",),
        ),
        (
            Scene(
                {
                    f"marketprism_source_connections{{{_WHO}}}": "4x40",
                    f"marketprism_source_connections_up{{{_WHO}}}": "4x4 3x40",
                },
                "4m",
            ),
            Scene(
                {
                    f"marketprism_source_connections{{{_WHO}}}": "4x40",
                    f"marketprism_source_connections_up{{{_WHO}}}": "4x4 3x2 4x40",
                },
                "4m",
                0,
            ),
        ),
        "feeds",
    ),
    Alert(
        "StreamsStale",
        _TICKET,
        "marketprism_source_streams_stale > 0",
        "2m",
        "{{ $labels.instance }}: {{ $value }} streams are quieter than they are used to be",
        Runbook(
            "Streams of a venue bring less than usual: a halt, a delisting, or a subscription that died silently.",
            ("Console page Quality; `marketprism inspect` on a capture; the venue's announcements.",),
            ("The gateway subscribes them anew by itself. Take delisted instruments out of the settings.",),
        ),
        (
            Scene({f"marketprism_source_streams_stale{{{_WHO}}}": "0x4 2x40"}, "5m"),
            Scene({f"marketprism_source_streams_stale{{{_WHO}}}": "0x4 2x4 0x40"}, "5m", 0),
        ),
        "feeds",
    ),
    Alert(
        "StreamsRefused",
        _TICKET,
        "marketprism_source_streams_refused > 0",
        "1m",
        "{{ $labels.instance }}: the venue refuses {{ $value }} streams",
        Runbook(
            "The venue does not serve what is subscribed.",
            ("Log of the gateway: the venue's answer. Is the instrument still listed?",),
            ("Correct the instruments in the settings.",),
        ),
        (
            Scene({f"marketprism_source_streams_refused{{{_WHO}}}": "0x4 1x40"}, "4m"),
            Scene({f"marketprism_source_streams_refused{{{_WHO}}}": "0x40"}, "4m", 0),
        ),
        "feeds",
    ),
    Alert(
        "BookInvalid",
        _TICKET,
        "marketprism_source_books - marketprism_source_books_valid > 0",
        "30s",
        "{{ $labels.instance }}: {{ $value }} order books are not the venue's now",
        Runbook(
            "Order books broke and are not whole again for half a minute. They are marked; nobody is given them as valid.",
            (
                "Metrics `marketprism_source_book_gaps_total`, `marketprism_source_requests_refused_total`: is the budget of snapshots used up?",
            ),
            ("They are begun anew by themselves. Lasting: fewer books a connection, or a higher budget.",),
        ),
        (
            Scene(
                {
                    f"marketprism_source_books{{{_WHO}}}": "10x40",
                    f"marketprism_source_books_valid{{{_WHO}}}": "10x4 9x40",
                },
                "3m",
            ),
            Scene(
                {
                    f"marketprism_source_books{{{_WHO}}}": "10x40",
                    f"marketprism_source_books_valid{{{_WHO}}}": "10x4 9 10x40",
                },
                "3m",
                0,
            ),
        ),
        "feeds",
    ),
    Alert(
        "BookAuditFailed",
        _TICKET,
        risen("marketprism_source_book_audits_failed_total", "15m"),
        "0s",
        "{{ $labels.instance }}: an order book differed from the venue's snapshot",
        Runbook(
            "A book that was taken for valid was not the venue's. It was begun anew.",
            ("Log of the gateway names instrument and levels.",),
            ("Once: note it. Again: keep a capture (`marketprism capture`) and report it.",),
        ),
        (
            Scene({f"marketprism_source_book_audits_failed_total{{{_WHO}}}": "0x8 1x40"}, "4m"),
            Scene({f"marketprism_source_book_audits_failed_total{{{_WHO}}}": "1x120"}, "25m", 0),
        ),
        "feeds",
    ),
    Alert(
        "GapRateHigh",
        _TICKET,
        # Who joins in the middle, and what is left out on purpose, is marked by a gap too: nobody lost anything.
        'sum by (cause) (rate(marketprism_gaps_total{cause!~"joined|excluded|recording_end"}[5m])) * 60 > 6',
        "15s",  # five minutes are looked at as it is
        "{{ $value | humanize }} gaps a minute by {{ $labels.cause }}",
        Runbook(
            "Data are missing, and named as missing, more often than six times a minute.",
            ("Label `cause`; console page Quality and `marketprism gaps`: which instruments, since when?",),
            ("Of one source: look at its connection. Of all: at processor and network of the gateway's machine.",),
        ),
        (
            Scene(
                {
                    'marketprism_gaps_total{service="validator",instance="validator-1",cause="connection_lost"}': "0+5x60"
                },
                "9m",
            ),
            Scene(
                {
                    'marketprism_gaps_total{service="validator",instance="validator-1",cause="connection_lost"}': "0+1x60"
                },
                "9m",
                0,
            ),
            Scene(  # the connection of forty instruments broke once
                {
                    'marketprism_gaps_total{service="validator",instance="validator-1",cause="disconnected"}': "0x8 40x60"
                },
                "3m",
            ),
            Scene(
                {'marketprism_gaps_total{service="validator",instance="validator-1",cause="joined"}': "0x8 40x60"},
                "3m",
                0,
            ),
        ),
        "feeds",
    ),
    Alert(
        "FramesRefused",
        _TICKET,
        "sum by (venue, reason) (rate(marketprism_frames_refused_total[5m])) > 0.1",
        "1m",
        "Frames of {{ $labels.venue }} cannot be read: {{ $labels.reason }}",
        Runbook(
            "A venue sends what is not understood: its format changed, or the connection garbles it.",
            ("Log of the gateway shows the beginning of such a frame; the venue's change log.",),
            ("Keep a capture (`marketprism capture`) and report it.",),
        ),
        (
            Scene({f'marketprism_frames_refused_total{{{_WHO},venue="a",reason="malformed"}}': "0+6x60"}, "8m"),
            Scene({f'marketprism_frames_refused_total{{{_WHO},venue="a",reason="malformed"}}': "0+1x60"}, "8m", 0),
        ),
        "feeds",
    ),
    Alert(
        "SourceTicksDropped",
        _PAGE,
        risen("marketprism_source_ticks_dropped_total"),
        "0s",
        "{{ $labels.instance }} drops ticks: the queue of its source is full",
        Runbook(
            "Ticks come faster than the gateway puts them into NATS. Each that is dropped lies in a named gap.",
            ("Metric `marketprism_source_queue_deepest`; processor of the gateway; NATS' disk.",),
            ("Give the gateway a core, NATS a faster disk, or split the instruments over two gateways.",),
        ),
        rising("marketprism_source_ticks_dropped_total", _WHO),
        "feeds",
        needs_broker=True,
    ),
    Alert(
        "CaptureIncomplete",
        _TICKET,
        f"{risen('marketprism_capture_frames_dropped_total')} or {risen('marketprism_capture_failures_total')}",
        "0s",
        "The capture of {{ $labels.instance }} lacks frames",
        Runbook(
            "Raw frames are not written to the capture: the disk is slow or full. Live data are not affected.",
            ("Room and speed of the disk of the captures; log of the gateway.",),
            ("Make room; `marketprism capture` lists what is there.",),
        ),
        (
            *rising("marketprism_capture_frames_dropped_total", _WHO),
            Scene({f"marketprism_capture_failures_total{{{_WHO}}}": "_x8 1x40"}, "3m"),
        ),
        "feeds",
    ),
    Alert(
        "ClockSkew",
        _TICKET,
        "max by (venue) (abs(marketprism_clock_offset_seconds)) > 1",
        "2m",
        "The clock here and that of {{ $labels.venue }} differ by {{ $value | humanizeDuration }}",
        Runbook(
            "The clock of a gateway's machine and a venue's differ by more than a second: delays and windows of bars are wrong by that.",
            ("`chronyc tracking` on the gateway's machine; do other venues agree with it?",),
            ("Mend the time service of the machine. A venue that is off itself: nothing is to be done.",),
        ),
        (
            Scene({'marketprism_clock_offset_seconds{service="validator",venue="a"}': "0x4 -2x40"}, "5m"),
            Scene({'marketprism_clock_offset_seconds{service="validator",venue="a"}': "0.3x40"}, "5m", 0),
        ),
        "feeds",
    ),
)

__all__ = ["FEEDS"]
