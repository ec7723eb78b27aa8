"""Alerts about what goes through the stages: behind, refused, rejected, lost before it was read."""

from __future__ import annotations

from marketprism_services.monitoring.alert import Alert, Runbook, Scene, Severity, risen, rising

_PAGE, _TICKET = Severity.PAGE, Severity.TICKET
_WHO = 'service="validator",instance="validator-1"'
_PROBLEM = 'marketprism_pipeline_problem{kind="standing",stage="validator",where="partition 3"}'
_TAKEN, _NOT_TAKEN = (
    f'marketprism_ticks_validated_total{{{_WHO},result="{result}"}}' for result in ("accepted", "not_accepted")
)
_WORST = 'marketprism_quality_score_bucket{service="validator",venue="a",le="60.0"}'
_SCORES = 'marketprism_quality_score_count{service="validator",venue="a"}'

PIPELINE = (
    Alert(
        "StageLag",
        _PAGE,
        "max by (stage) (marketprism_stage_lag_seconds) > 5",
        "15s",
        "{{ $labels.stage }} is {{ $value | humanizeDuration }} behind",
        Runbook(
            "A stage does not keep up with its input, or stands: ticks and bars come late. Nothing is lost while the log holds it.",
            (
                "Console page Streams and dashboard Pipeline: of all partitions, or of one? Does it grow?",
                "Log and processor of its instances; `marketprism status`.",
            ),
            (
                "All partitions: start another instance. One: restart the instance that has it. NATS slow: look at its disk.",
            ),
        ),
        (
            Scene({'marketprism_stage_lag_seconds{stage="validator"}': "0x4 8x40"}, "3m"),
            Scene({'marketprism_stage_lag_seconds{stage="validator"}': "0.6x60"}, "3m", 0),
            Scene({'marketprism_stage_lag_seconds{stage="validator"}': "0x4 8 0x40"}, "3m", 0),
        ),
        "pipeline",
        needs_broker=True,
    ),
    Alert(
        "PipelineProblem",
        _PAGE,
        'max by (kind, stage, where) (marketprism_pipeline_problem{kind!~"leaderless"}) > 0',
        "30s",
        "{{ $labels.stage }} {{ $labels.where }}: {{ $labels.kind }}",
        Runbook(
            "What went in and what came out do not agree, or something is gone that ran before: "
            "`standing` waits and nobody takes it; `skipped` was passed over; `untaken` was refused as a whole; "
            "`missing` was published and is not in the table; `beyond` is a place behind the end of the log; "
            "`unreadable` a record that is none; `absent` a service of which no instance runs.",
            (
                "`marketprism status` says it in words, with instruments; console page System. Log event `pipeline.problem`.",
            ),
            (
                "`absent`, `standing`: start or restart the service. `missing`: see StoreBehind; the store may be filled again.",
                "`skipped`, `beyond`, `unreadable`: stop, keep logs and the stage's checkpoint, report it.",
            ),
        ),
        (
            Scene({_PROBLEM: "0x4 7x40"}, "3m"),
            Scene({_PROBLEM: "0x4 7 0x40"}, "3m", 0),
            Scene({'marketprism_pipeline_problem{kind="leaderless",stage="leader",where="a"}': "1x40"}, "3m", 0),
        ),
        "pipeline",
        needs_broker=True,
    ),
    Alert(
        "StageRefused",
        _PAGE,
        "marketprism_stage_refused > 0",
        "30s",
        "{{ $labels.service }} {{ $labels.instance }} does not go on with {{ $value }} partitions",
        Runbook(
            "The checkpoint of a partition belongs to another input stream (it was deleted and made anew, or restored). The stage does not guess where to go on.",
            ("Log event `input.replaced`; console page Streams: when was the stream created?",),
            (
                "Restore the stream that belongs to the checkpoint; else see [upgrading](../upgrading.md) for beginning anew.",
            ),
        ),
        (
            Scene({f"marketprism_stage_refused{{{_WHO}}}": "0x4 1x40"}, "3m"),
            Scene({f"marketprism_stage_refused{{{_WHO}}}": "0x40"}, "3m", 0),
        ),
        "pipeline",
    ),
    Alert(
        "StagePoisoned",
        _TICKET,
        "marketprism_stage_poisoned > 0",
        "0s",
        "{{ $labels.service }} {{ $labels.instance }} set {{ $value }} messages aside",
        Runbook(
            "Messages made a stage fail each time; they were set aside so that the others go on.",
            ("`marketprism dead-letters`, log of the instance: the error.",),
            ("Report it with the message. Ticks in it are missing in what the stage makes.",),
        ),
        (
            Scene({f"marketprism_stage_poisoned{{{_WHO}}}": "0x4 1x40"}, "2m"),
            Scene({f"marketprism_stage_poisoned{{{_WHO}}}": "0x40"}, "2m", 0),
        ),
        "pipeline",
    ),
    Alert(
        "MalformedMessages",
        _TICKET,
        risen("marketprism_malformed_messages_total"),
        "0s",
        "{{ $labels.service }} {{ $labels.instance }} cannot decode messages of its input",
        Runbook(
            "Something publishes into a stream what is no message of ours: another version, or somebody else.",
            ("`marketprism dead-letters`; `build_info` of all instances: one version?",),
            ("Bring all services to one version; see who may publish there (docs/nats-access.md).",),
        ),
        rising("marketprism_malformed_messages_total", _WHO),
        "pipeline",
    ),
    Alert(
        "InputTruncated",
        _PAGE,
        f"{risen('marketprism_truncated_gaps_total', '15m')} or {risen('marketprism_stream_truncated_total', '15m')}",
        "0s",
        "{{ $labels.service }} {{ $labels.instance }}: messages went before they were read",
        Runbook(
            "A stream let messages go before their reader had them: it was behind for longer than the stream holds. The missing range is named as a gap.",
            ("Dashboards Pipeline and Broker: how long was the reader behind, what does the stream hold?",),
            (
                "Let the reader catch up, raise the stream's age and bytes ([sizing](../sizing.md)), fill the gap from the venue or a capture.",
            ),
        ),
        (
            Scene({f"marketprism_truncated_gaps_total{{{_WHO}}}": "0x8 1x40"}, "3m"),
            Scene(
                {
                    'marketprism_stream_truncated_total{service="storage",instance="storage-1",stream="MARKET_TICKS"}': "_x8 1x40"
                },
                "3m",
            ),
            Scene({f"marketprism_truncated_gaps_total{{{_WHO}}}": "1x120"}, "25m", 0),
        ),
        "pipeline",
    ),
    Alert(
        "RejectedShare",
        _TICKET,
        'sum(rate(marketprism_ticks_validated_total{result="not_accepted"}[5m]))'
        " / sum(rate(marketprism_ticks_validated_total[5m])) > 0.05"
        # Of a quiet night's few ticks one may be half of them.
        ' and sum(increase(marketprism_ticks_validated_total{result="not_accepted"}[5m])) > 20',
        "15s",  # five minutes are looked at as it is
        "{{ $value | humanizePercentage }} of the ticks are rejected",
        Runbook(
            "More ticks are rejected than bad data explain: rules that do not fit, a venue that sends nonsense, a clock that is wrong.",
            (
                "Console page Quality: reasons and instruments. `marketprism rules`: what would other rules have decided?",
            ),
            ("Change the rules back where they were changed; else mend source or clock.",),
        ),
        (
            Scene({_TAKEN: "0+92x60", _NOT_TAKEN: "0+8x60"}, "9m"),
            Scene({_TAKEN: "0+990x60", _NOT_TAKEN: "0+10x60"}, "9m", 0),
            Scene({_TAKEN: "0+1x60", _NOT_TAKEN: "0x8 1x60"}, "4m", 0),
        ),
        "pipeline",
    ),
    Alert(
        "QualityLow",
        _TICKET,
        'sum by (venue) (rate(marketprism_quality_score_bucket{le="60.0"}[15m]))'
        " / sum by (venue) (rate(marketprism_quality_score_count[15m])) > 0.2",
        "5m",
        "{{ $value | humanizePercentage }} of the windows of {{ $labels.venue }} have a score of 60 or less",
        Runbook(
            "Many instruments of a venue have data of low quality: gaps, stale or rejected ticks.",
            ("Console page Quality, `marketprism quality`: which instruments, which part of the score?",),
            ("See FeedSilentInSession, GapRateHigh, RejectedShare, which name the cause.",),
        ),
        (
            Scene({_WORST: "0+3x100", _SCORES: "0+10x100"}, "20m"),
            Scene({_WORST: "0+1x100", _SCORES: "0+10x100"}, "20m", 0),
        ),
        "pipeline",
    ),
    Alert(
        "EventsNotPublished",
        _TICKET,
        f"{risen('marketprism_events_not_published_total')} or {risen('marketprism_event_publish_failures_total', by='service, instance')}",
        "0s",
        "{{ $labels.service }} {{ $labels.instance }} could not publish events",
        Runbook(
            "Events (gaps, sessions, quality) did not reach NATS; the log has them.",
            ("Log event `events.not_published` names them; state of NATS.",),
            ("Mend NATS. What the events said is in the log.",),
        ),
        (
            *rising("marketprism_events_not_published_total", _WHO),
            Scene({f'marketprism_event_publish_failures_total{{{_WHO},event="gap_found"}}': "_x8 1x40"}, "3m"),
        ),
        "pipeline",
        needs_broker=True,
    ),
    Alert(
        "RulesRefused",
        _TICKET,
        risen("marketprism_rules_refused_total"),
        "0s",
        "{{ $labels.instance }} does not take the validation rules in the bucket",
        Runbook(
            "Rules in the bucket are none; those in force stay. Validators may judge by different rules.",
            (
                "Log event `validation_rules.not_readable`; metric `marketprism_rules_version` by instance; console page Rules.",
            ),
            ("Write the rules anew: `marketprism rules`.",),
        ),
        rising("marketprism_rules_refused_total", _WHO),
        "pipeline",
    ),
)

__all__ = ["PIPELINE"]
