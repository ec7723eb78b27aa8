"""Processes, NATS and leaders: what to type when an alert fires."""

from __future__ import annotations

from marketprism_services.monitoring.steps.steps import Steps

RUNNING: dict[str, Steps] = {
    "DeadMansSwitch": Steps(
        ("curl -fsS http://127.0.0.1:9093/-/ready", "marketprism alerts list"),
        ("marketprism run notifier",),
        "The notifier hears it again: it fires, always.",
    ),
    "InstanceDown": Steps(
        ("marketprism status", 'marketprism logs --since 30m "$SERVICE"'),
        ('marketprism run "$SERVICE"',),
        "`marketprism status` has an instance of it that is healthy; the one that is gone leaves the list after ten minutes.",
    ),
    "MonitorAbsent": Steps(
        ("marketprism status", "curl -fsS http://127.0.0.1:8086/sd"),
        ("marketprism run monitor",),
        "`/sd` of the monitor answers and Prometheus has its target up.",
    ),
    "InstanceNotReady": Steps(
        ("marketprism status --json", 'marketprism logs --level warning "$SERVICE"'),
        ("marketprism doctor",),
        "`marketprism status` says healthy of every instance.",
    ),
    "DependencyUnhealthy": Steps(
        ("marketprism status", "marketprism doctor --production"),
        ('marketprism run "$SERVICE"',),
        "`marketprism doctor` finds NATS and the store well.",
    ),
    "LoopStalled": Steps(
        ("marketprism logs --event event_loop.blocked", "uptime"),
        ('marketprism run "$SERVICE"',),
        "No stall for five minutes; a second instance takes half of the partitions.",
    ),
    "MemoryGrowth": Steps(
        ('marketprism logs --level warning "$SERVICE"', "ps -o pid,rss,etime,args -C python3"),
        ('marketprism run "$SERVICE"',),
        "The process that grew is gone, the standby leads, and memory stays as it is for an hour.",
    ),
    "FileDescriptorsShort": Steps(
        ("ss -s", "marketprism doctor --production"),
        ("ulimit -n 65536",),
        "Less than four fifths of the files are open.",
    ),
    "LogLinesLost": Steps(
        ("df -h", "marketprism logs -n 20"),
        ("marketprism logs -n 1",),
        "New lines of the instance appear, and none were lost for ten minutes.",
    ),
    "ErrorsLogged": Steps(
        ("marketprism logs --level error --since 10m", "marketprism alerts list"),
        ("marketprism doctor",),
        "Fewer than twelve errors a minute for five minutes.",
    ),
    "TracesDropped": Steps(
        ("marketprism config get trace",),
        ('marketprism config set trace.every 10000 --reason "$WHY"',),
        "No span was dropped for ten minutes.",
    ),
    "LogRecordsDropped": Steps(
        ("marketprism logs --event log.export_failing",),
        ('marketprism config set log.level warning --reason "$WHY"',),
        "No record was dropped for ten minutes.",
    ),
    "SeriesRefused": Steps(
        ('curl -fsS "http://127.0.0.1:$PORT/metrics"',),
        ('marketprism logs --level warning "$SERVICE"',),
        "Nothing was refused for ten minutes: a version that has the label bounded runs.",
    ),
    "CertificateExpires": Steps(
        ('openssl x509 -enddate -noout -in "$CERT"', "marketprism doctor --production"),
        ('install -m 600 "$NEW_KEY" "$KEY"', 'install -m 644 "$NEW_CERT" "$CERT"'),
        "`marketprism doctor --production` counts three weeks and more.",
    ),
    "CertificateRefused": Steps(
        ("marketprism logs --event http.certificate_refused", 'openssl x509 -noout -subject -enddate -in "$CERT"'),
        ('install -m 600 "$NEW_KEY" "$KEY"', 'install -m 644 "$NEW_CERT" "$CERT"'),
        "Log event `http.certificate_renewed`; the next handshake has the new certificate.",
    ),
    "BrokerUnreachable": Steps(
        ("marketprism doctor", "marketprism logs nats-server"),
        ("systemctl restart nats-server",),
        "`marketprism status` answers, and stages have caught up.",
    ),
    "NatsDisconnected": Steps(
        ("marketprism status", "marketprism logs --event nats.disconnected"),
        ("marketprism doctor --production",),
        "The instance has its connection again; `marketprism status` says healthy.",
    ),
    "NatsFlapping": Steps(
        ("marketprism logs --event nats.disconnected --since 1h",),
        ("marketprism doctor --production",),
        "No reconnect for fifteen minutes.",
    ),
    "PermissionDenied": Steps(
        ("marketprism logs --event nats.not_permitted",),
        ('marketprism nats accounts "$USERS_FOLDER"', "nats-server --signal reload"),
        "Nothing was refused for ten minutes.",
    ),
    "SlowConsumers": Steps(
        ("marketprism status", "ss -tn state established"),
        ("marketprism run query",),
        "No reader was cut off for fifteen minutes.",
    ),
    "JetStreamNearLimit": Steps(
        ("marketprism store status", "marketprism doctor --production --nats-monitor http://127.0.0.1:8222"),
        ("marketprism doctor",),
        "Less of the room is taken than the alert allows, and the streams take messages.",
    ),
    "ReplicaBehind": Steps(
        ("marketprism doctor --production", "marketprism logs nats-server"),
        ("systemctl restart nats-server",),
        "`marketprism doctor --production` says of each stream that all replicas are up to date.",
    ),
    "StreamMadeAnew": Steps(
        ("marketprism store status", "marketprism logs --event stream.recreated"),
        ("marketprism store rebuild",),
        "Storage has read the streams again; what is missing is named by `marketprism gaps`.",
    ),
    "BusMessagesDropped": Steps(
        ("marketprism status", 'marketprism logs --level warning "$SERVICE"'),
        ('marketprism run "$SERVICE"',),
        "Nothing was dropped for ten minutes.",
    ),
    "EventsDropped": Steps(
        ('marketprism logs --level warning "$SERVICE"',),
        ('marketprism run "$SERVICE"',),
        "Nothing was dropped for ten minutes.",
    ),
    "DeadLetters": Steps(
        ("marketprism dead-letters list",),
        ('marketprism dead-letters show "$LETTER"', 'marketprism dead-letters redrive "$LETTER"'),
        "`marketprism dead-letters list` is empty.",
    ),
    "NoLeader": Steps(
        ("marketprism status", "marketprism logs --event lease.ended"),
        ('marketprism run "$SERVICE"',),
        "`marketprism status` names a leader for the group, and its epoch is one higher.",
    ),
    "TwoLeaders": Steps(
        ("marketprism status", "marketprism logs --event lease.ended"),
        ('kill -9 "$OLDER_PID"',),
        "`marketprism status` names one leader; the older one has ended.",
    ),
    "LeaderFlapping": Steps(
        ("marketprism logs --event lease.acquired --since 1h", "uptime"),
        ('marketprism config set lease.lease_s 3 --reason "$WHY"',),
        "The epoch has not changed for fifteen minutes.",
    ),
    "LeaseRenewalsLate": Steps(
        ("marketprism logs --event event_loop.blocked", "uptime"),
        ('marketprism config set lease.lease_s 3 --reason "$WHY"',),
        "No renewal was late for ten minutes.",
    ),
    "TakeoverSlow": Steps(
        ("marketprism logs --event lease.acquired --since 1h",),
        ("marketprism doctor --production",),
        "Ten minutes without another slow takeover.",
    ),
    "PartitionUnowned": Steps(
        ("marketprism status",), ('marketprism run "$SERVICE"',), "`marketprism status` shows all 32 partitions owned."
    ),
    "PartitionsDisagree": Steps(
        ("marketprism status", "marketprism logs --event partition.mismatched"),
        ('marketprism run "$SERVICE"',),
        "`marketprism status` has no problem about partitions.",
    ),
}

__all__ = ["RUNNING"]
