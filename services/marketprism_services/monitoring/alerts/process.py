"""Alerts about processes: gone, blocked, growing, or losing what they say."""

from __future__ import annotations

from marketprism_services.monitoring.alert import Alert, Runbook, Scene, Severity, risen, rising

_PAGE, _TICKET, _INFO = Severity.PAGE, Severity.TICKET, Severity.INFO
_WHO = 'service="storage",instance="storage-1"'
_DAY_S = 86_400

_CERTIFICATE = Runbook(
    "The certificate of an HTTP side ends soon; after that browsers and programs refuse to talk to it.",
    (
        "Metric `marketprism_http_certificate_not_after_seconds`; `openssl x509 -enddate -noout -in <cert>`.",
        "Log event `http.certificate_refused`: a new file is there and cannot be used.",
    ),
    (
        "Put the new certificate and key in place of the old files: they are read again without a restart.",
        "Check that what renews them (ACME client, cron) still runs.",
    ),
)


def _certificate(severity: Severity, days: int) -> Alert:
    series = f"marketprism_http_certificate_not_after_seconds{{{_WHO}}}"
    seconds = days * _DAY_S
    return Alert(
        "CertificateExpires",
        severity,
        f"(marketprism_http_certificate_not_after_seconds > 0) - time() < {seconds}",
        "15s",
        "The certificate of {{ $labels.service }} ends in {{ $value | humanizeDuration }}",
        _CERTIFICATE,
        (
            Scene({series: f"{seconds // 2}x40"}, "3m"),
            Scene({series: f"{seconds * 2}x40"}, "3m", 0),
            Scene({series: "0x40"}, "3m", 0),
        ),
    )


PROCESS = (
    Alert(
        "DeadMansSwitch",
        _INFO,
        "vector(1) > 0",
        "0s",
        "Prometheus and Alertmanager work: this alert always fires",
        Runbook(
            "Nothing is the matter while it fires. Where it ceases to reach the notifier, no other alert would reach anybody.",
            ("Prometheus' page Status → Rules and → Runtime; Alertmanager's log.",),
            ("Start what is down: Prometheus, Alertmanager, the notifier. Look for what happened meanwhile.",),
        ),
        (Scene({}, "1m"), Scene({}, "10m")),
    ),
    Alert(
        "InstanceDown",
        _PAGE,
        'up{job=~"marketprism.*"} == 0',
        "15s",
        "{{ $labels.service }} {{ $labels.instance }} does not answer",
        Runbook(
            "An instance of a service does not answer `/metrics`. With a standby or another shard the pipeline goes on; without, it stands.",
            (
                "`marketprism status`, console page System: is another instance there, has it taken over?",
                "Its log and exit code; on its machine whether the process is there (killed for memory, stopped, frozen).",
            ),
            (
                "Start it again. It takes over what is its own by itself; a frozen process may be killed, its leases are fenced.",
                "An instance that was ended on purpose is taken off the list after ten minutes.",
            ),
        ),
        (
            Scene({f'up{{job="marketprism",{_WHO}}}': "1x4 0x40"}, "2m"),
            Scene({f'up{{job="marketprism",{_WHO}}}': "1x40"}, "2m", 0),
            Scene({'up{job="another"}': "0x40"}, "2m", 0),
        ),
    ),
    Alert(
        "MonitorAbsent",
        _PAGE,
        'absent(up{job="marketprism",service="monitor"} == 1)',
        "30s",
        "No monitor answers: lags, leaders and new instances are not seen",
        Runbook(
            "No instance of the monitor is scraped. Alerts on lags, leaders, streams and problems are blind, and instances that start now are not found.",
            ("`marketprism status`; the targets page of Prometheus: does `/sd` answer at the monitor's port?",),
            (
                "Start a monitor: `marketprism run monitor`. Where its port is another, set it in `deploy/prometheus/prometheus.yml`.",
            ),
        ),
        (
            Scene({'up{job="marketprism",service="monitor"}': "1x4 0x40"}, "2m"),
            Scene({'up{job="marketprism",service="monitor"}': "1x40"}, "2m", 0),
        ),
    ),
    Alert(
        "InstanceNotReady",
        _TICKET,
        "marketprism_service_ready == 0",
        "2m",
        "{{ $labels.service }} {{ $labels.instance }} is up and not ready",
        Runbook(
            "An instance runs and does not do its work: it starts, or ends, for longer than it should.",
            ("`GET /health` of the instance has the reasons; console page System → the instance → its log.",),
            ("Mend what it waits for (NATS, store, source); restart it where it waits for nothing.",),
        ),
        (
            Scene({f"marketprism_service_ready{{{_WHO}}}": "0x40"}, "3m"),
            Scene({f"marketprism_service_ready{{{_WHO}}}": "0x2 1x40"}, "3m", 0),
        ),
    ),
    Alert(
        "DependencyUnhealthy",
        _TICKET,
        "marketprism_dependency_up < 0.5",
        "1m",
        "{{ $labels.service }} {{ $labels.instance }} misses {{ $labels.dependency }}",
        Runbook(
            "An instance cannot use something that it needs.",
            ("`GET /health` of the instance: the reason of each dependency. `marketprism doctor`.",),
            ("Mend the dependency that is named; the instance takes it up again by itself.",),
        ),
        (
            Scene({f'marketprism_dependency_up{{{_WHO},dependency="store"}}': "1x4 0x40"}, "3m"),
            Scene({f'marketprism_dependency_up{{{_WHO},dependency="store"}}': "0.5x40"}, "3m", 0),
        ),
        needs_broker=True,
    ),
    Alert(
        "LoopStalled",
        _TICKET,
        "rate(marketprism_event_loop_stalls_total[5m]) > 0.05",
        "1m",
        "The event loop of {{ $labels.service }} {{ $labels.instance }} is blocked again and again",
        Runbook(
            "Something blocks the process for a quarter of a second or more, several times a minute: ticks wait, leases may be lost.",
            (
                "Metrics `marketprism_event_loop_worst_stall_seconds`, `process_cpu_seconds_total`; dashboard Runtime.",
                "Log event `event_loop.blocked`; load, swapping and stolen time of the machine.",
            ),
            ("Give the machine room (fewer services, more cores); of one instance alone, keep its log and report it.",),
        ),
        (
            Scene({f"marketprism_event_loop_stalls_total{{{_WHO}}}": "0+3x40"}, "8m"),
            Scene({f"marketprism_event_loop_stalls_total{{{_WHO}}}": "0+0.3x40"}, "8m", 0),
        ),
    ),
    Alert(
        "MemoryGrowth",
        _TICKET,
        'deriv(process_resident_memory_bytes{job=~"marketprism.*"}[1h]) * 86400 > 2e9'
        " and marketprism_service_uptime_seconds > 7200",
        "30m",
        "{{ $labels.service }} {{ $labels.instance }} grows by {{ $value | humanize1024 }}B a day",
        Runbook(
            "A process that has long started takes more and more memory, and will be killed for it.",
            ("Dashboard Runtime: memory, tasks, queues of the instance. Do instruments or readers grow with it?",),
            (
                "Where its work grew: give it memory. Else restart it at a quiet hour (a standby takes over) and report it with its log.",
            ),
        ),
        (
            Scene(
                {
                    f'process_resident_memory_bytes{{job="marketprism",{_WHO}}}': "3e8+1e6x200",
                    f'marketprism_service_uptime_seconds{{job="marketprism",{_WHO}}}': "7200+15x200",
                },
                "40m",
            ),
            Scene(
                {
                    f'process_resident_memory_bytes{{job="marketprism",{_WHO}}}': "3e8+1e5x200",
                    f'marketprism_service_uptime_seconds{{job="marketprism",{_WHO}}}': "7200+15x200",
                },
                "40m",
                0,
            ),
        ),
    ),
    Alert(
        "FileDescriptorsShort",
        _TICKET,
        "process_open_fds / process_max_fds > 0.8",
        "2m",
        "{{ $labels.service }} {{ $labels.instance }} has {{ $value | humanizePercentage }} of its files open",
        Runbook(
            "A process can soon open neither files nor connections.",
            ("Dashboard Runtime; `ls -l /proc/<pid>/fd` on its machine: sockets or files?",),
            (
                "Raise the limit (`LimitNOFILE`, `ulimit -n`) and restart; where sockets pile up, find the client that opens them.",
            ),
        ),
        (
            Scene({f"process_open_fds{{{_WHO}}}": "900x40", f"process_max_fds{{{_WHO}}}": "1024x40"}, "5m"),
            Scene({f"process_open_fds{{{_WHO}}}": "500x40", f"process_max_fds{{{_WHO}}}": "1024x40"}, "5m", 0),
        ),
    ),
    Alert(
        "LogLinesLost",
        _TICKET,
        risen("marketprism_log_lines_lost_total"),
        "0s",
        "{{ $labels.service }} {{ $labels.instance }} could not write log lines",
        Runbook(
            "Log lines were lost. The service goes on; what it said meanwhile is in memory only.",
            ("The disk and the pipe that its log goes to; console page System → the instance → its log.",),
            ("Make room, or start the reader of the pipe again.",),
        ),
        rising("marketprism_log_lines_lost_total", _WHO),
    ),
    Alert(
        "ErrorsLogged",
        _TICKET,
        'rate(marketprism_log_lines_total{level="error"}[5m]) > 0.2',
        "5m",
        "{{ $labels.service }} {{ $labels.instance }} logs errors all the time",
        Runbook(
            "A service logs more than twelve errors a minute for longer than five minutes.",
            ("Console page System → the instance → its log; docs/log-events.md explains each event.",),
            ("Mend what the events name. Other alerts often name the cause.",),
        ),
        (
            Scene({f'marketprism_log_lines_total{{{_WHO},level="error"}}': "0+15x80"}, "12m"),
            Scene({f'marketprism_log_lines_total{{{_WHO},level="error"}}': "0+1x80"}, "12m", 0),
        ),
        needs_broker=True,
    ),
    Alert(
        "TracesDropped",
        _INFO,
        risen("marketprism_trace_spans_dropped_total", by="service, instance"),
        "0s",
        "The collector does not take the spans of {{ $labels.service }} {{ $labels.instance }}",
        Runbook(
            "Traces have holes. Data are not affected.",
            ("Label `reason` of `marketprism_trace_spans_dropped_total`; the collector's own log.",),
            ("Start the collector, or give it more room; a lower share of followed messages costs less.",),
        ),
        rising("marketprism_trace_spans_dropped_total", f'{_WHO},reason="queue_full"'),
    ),
    Alert(
        "SeriesRefused",
        _TICKET,
        risen("marketprism_metric_series_refused_total"),
        "0s",
        "{{ $labels.service }}: {{ $labels.metric }} has too many combinations of labels",
        Runbook(
            "A metric has more combinations of labels than it may; the rest is counted as `other`.",
            ("Label `metric`; `GET /metrics` of the instance: which label has too many values?",),
            ("Report it: a label must be bounded. Sums stay right meanwhile.",),
        ),
        rising("marketprism_metric_series_refused_total", f'{_WHO},metric="gaps_total"'),
    ),
    _certificate(_PAGE, 3),
    _certificate(_TICKET, 21),
    Alert(
        "CertificateRefused",
        _TICKET,
        risen("marketprism_http_certificates_refused_total", "15m"),
        "0s",
        "{{ $labels.service }} {{ $labels.instance }} cannot use its new certificate",
        Runbook(
            "A renewed certificate was put in place and cannot be used; the old one is used on until it ends.",
            (
                "Log event `http.certificate_refused` has the reason: key and certificate of two pairs, rights, a half-written file.",
            ),
            ("Write both files anew, the key first.",),
        ),
        (
            Scene({f"marketprism_http_certificates_refused_total{{{_WHO}}}": "_x8 1x40"}, "3m"),
            Scene({f"marketprism_http_certificates_refused_total{{{_WHO}}}": "1x100"}, "20m", 0),
        ),
    ),
)

__all__ = ["PROCESS"]
