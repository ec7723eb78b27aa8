"""Sources and stages: what to type when an alert fires."""

from __future__ import annotations

from marketprism_services.monitoring.steps.steps import Steps

MARKET: dict[str, Steps] = {
    "FeedSilentInSession": Steps(
        ("marketprism gateway status", 'marketprism calendar "$SYMBOL"'),
        ("marketprism gateway disconnect", "marketprism gateway auto"),
        "Ticks come again (`marketprism tail`), and the gap has its end.",
    ),
    "FeedUnreachable": Steps(
        ("marketprism logs --event source.away", "marketprism gateway status"),
        ("marketprism gateway auto",),
        "`marketprism gateway status` says connected.",
    ),
    "ConnectionsMissing": Steps(
        ("marketprism gateway status", "marketprism logs --level warning gateway"),
        ("marketprism gateway auto",),
        "As many connections stand as are wanted.",
    ),
    "StreamsStale": Steps(
        ("marketprism gateway status", 'marketprism quality "$SYMBOL"'),
        ("marketprism gateway auto",),
        "The streams bring as much as they used to, or are no longer subscribed.",
    ),
    "StreamsRefused": Steps(
        ("marketprism logs --level warning gateway",),
        ('marketprism gateway subscribe "$SYMBOL"',),
        "No stream is refused.",
    ),
    "BookInvalid": Steps(
        ("marketprism logs --level warning gateway",), ("marketprism gateway auto",), "Every book is valid again."
    ),
    "BookAuditFailed": Steps(
        ("marketprism logs --level warning gateway",),
        ('marketprism capture list "$FOLDER"',),
        "Fifteen minutes without another difference.",
    ),
    "GapRateHigh": Steps(
        ('marketprism gaps "$SYMBOL" --day today', "marketprism gateway status"),
        ("marketprism gateway auto",),
        "Fewer than six gaps a minute; those that are there can be repaired (`marketprism data repair`).",
    ),
    "FramesRefused": Steps(
        ("marketprism logs --level warning gateway",),
        ('marketprism capture list "$FOLDER"',),
        "No frame was refused for five minutes.",
    ),
    "SourceTicksDropped": Steps(
        ('marketprism gaps "$SYMBOL" --day today', "uptime"),
        ("marketprism run gateway",),
        "Nothing was dropped for ten minutes.",
    ),
    "CaptureIncomplete": Steps(
        ("df -h", 'marketprism capture list "$FOLDER"'),
        ('marketprism config set capture.keep_gb 20 --reason "$WHY"',),
        "No frame was dropped for ten minutes.",
    ),
    "ClockSkew": Steps(
        ("chronyc tracking", "marketprism doctor --production"),
        ("chronyc makestep",),
        "`marketprism doctor --production` finds the clock within 50 ms.",
    ),
    "StageLag": Steps(
        ("marketprism status", "marketprism logs --level warning validator aggregator"),
        ("marketprism run validator",),
        "`marketprism status` says behind: nothing.",
    ),
    "PipelineProblem": Steps(
        ("marketprism status", "marketprism logs --event pipeline.problem"),
        ('marketprism run "$SERVICE"',),
        "`marketprism status` ends with 0.",
    ),
    "StageRefused": Steps(
        ("marketprism logs --event input.replaced", "marketprism status"),
        ("marketprism backup list",),
        "No partition is refused.",
    ),
    "StagePoisoned": Steps(
        ("marketprism dead-letters list", "marketprism logs --level error validator aggregator"),
        ('marketprism dead-letters show "$LETTER"',),
        "The instance was started again with a version that takes such a message.",
    ),
    "MalformedMessages": Steps(
        ("marketprism dead-letters list", "marketprism status --json"),
        ('marketprism nats accounts "$USERS_FOLDER"',),
        "Nothing malformed for ten minutes.",
    ),
    "InputTruncated": Steps(
        ("marketprism store status", 'marketprism gaps "$SYMBOL"'),
        ('marketprism data check "$SYMBOL"',),
        "The reader has caught up; the gap is named, and filled where the venue has history.",
    ),
    "RejectedShare": Steps(
        ("marketprism rules history", 'marketprism quality "$SYMBOL"'),
        ("marketprism rules try stale_s=10",),
        "Less than a twentieth of the ticks is rejected.",
    ),
    "QualityLow": Steps(
        ('marketprism quality "$SYMBOL"', 'marketprism gaps "$SYMBOL"'),
        ("marketprism gateway auto",),
        "Less than a fifth of the windows is at 60 or below.",
    ),
    "EventsNotPublished": Steps(
        ("marketprism logs --event events.not_published",), ("marketprism doctor",), "Nothing was lost for ten minutes."
    ),
    "RulesRefused": Steps(
        ("marketprism rules show", "marketprism rules history"),
        ("marketprism rules show",),
        "`marketprism rules show` has one version for every validator.",
    ),
}

__all__ = ["MARKET"]
