"""The store, questions, jobs and objectives: what to type when an alert fires."""

from __future__ import annotations

from marketprism_services.monitoring.steps.steps import Steps

SERVING: dict[str, Steps] = {
    "StoreDown": Steps(
        ("marketprism status", "marketprism doctor"),
        ("systemctl restart clickhouse-server",),
        "`marketprism store status` answers and says behind: nothing.",
    ),
    "StoreBehind": Steps(
        ("marketprism store status",), ("marketprism run storage",), "`marketprism store status` has nothing behind."
    ),
    "DiskFullIn4h": Steps(
        ("marketprism store status", "df -h"),
        ("marketprism archive run",),
        "By the rate of the last hour there is room for more than four hours.",
    ),
    "DiskAlmostFull": Steps(
        ("marketprism store status", "df -h"), ("marketprism archive run",), "More than a tenth of the disk is free."
    ),
    "DeadRows": Steps(
        ("marketprism dead-letters list", "marketprism schema verify"),
        ("marketprism schema apply", 'marketprism dead-letters redrive "$LETTER"'),
        "`marketprism dead-letters list` is empty.",
    ),
    "StoreRetries": Steps(
        ("marketprism logs --level warning storage", "marketprism store status"),
        ('marketprism config set store.batch_ms 1000 --reason "$WHY"',),
        "Fewer than five retries in five minutes.",
    ),
    "ArchiveDiffers": Steps(
        ("marketprism archive status", 'marketprism archive verify "$FIRST" "$LAST"'),
        ("marketprism archive run",),
        "`marketprism archive verify` finds every file as it was written.",
    ),
    "BackupOld": Steps(
        ("marketprism backup list", "marketprism jobs runs backup"),
        ("marketprism backup create",),
        "`marketprism backup list` has one that ended within 30 hours.",
    ),
    "BackupSpoilt": Steps(
        ("marketprism backup verify latest",),
        ("marketprism backup create", "marketprism backup verify latest"),
        "`marketprism backup verify` finds every object as written.",
    ),
    "RestoreDrillFailed": Steps(
        ("marketprism jobs runs restore-drill --json",),
        ('marketprism backup drill latest --identity "$KEY_FILE"',),
        "`marketprism jobs runs restore-drill` ends with one that succeeded.",
    ),
    "RestoreDrillOld": Steps(
        ("marketprism jobs runs restore-drill",),
        ("marketprism jobs run restore-drill --wait",),
        "The run has succeeded.",
    ),
    "QueriesFail": Steps(
        ("marketprism logs --level warning query", "marketprism status"),
        ("marketprism doctor",),
        "Fewer than a twentieth of the questions fail.",
    ),
    "RequestsShed": Steps(
        ("marketprism logs --level warning api", "marketprism access audit"),
        ("marketprism run api",),
        "Less than one request a second is refused.",
    ),
    "BackendBreakerOpen": Steps(
        ("marketprism status",), ('marketprism run "$SERVICE"',), "The breaker is closed and stays so for ten minutes."
    ),
    "HttpConnectionsRefused": Steps(
        ("ss -tn state established", "marketprism status"),
        ("marketprism run api",),
        "No connection was refused for five minutes.",
    ),
    "SignInUnavailable": Steps(
        ('curl -fsS "$ISSUER/.well-known/openid-configuration"', "marketprism logs --level warning api"),
        ("marketprism doctor",),
        "A sign-in has succeeded.",
    ),
    "JobFailed": Steps(
        ('marketprism jobs runs "$JOB"',), ('marketprism jobs run "$JOB" --wait',), "The newest run has succeeded."
    ),
    "JobMissed": Steps(
        ('marketprism jobs runs "$JOB"', "marketprism status"),
        ('marketprism jobs backfill "$JOB" "$FIRST" "$LAST"',),
        "The next due time became a run.",
    ),
    "JobLate": Steps(
        ("marketprism jobs list",),
        ('marketprism config set scheduler.most_running 16 --reason "$WHY"',),
        "Runs begin within ten seconds.",
    ),
    "JobsWaiting": Steps(
        ("marketprism jobs list",), ('marketprism jobs cancel "$JOB" "$DUE"',), "Twenty runs wait at most."
    ),
    "DataTaskFailed": Steps(
        ("marketprism data jobs --state failed",),
        ('marketprism data jobs "$ID"',),
        "The same job, begun again, has ended well.",
    ),
    "BacktestResultsWaiting": Steps(
        ("marketprism status", "marketprism logs --event backtest.results_not_stored"),
        ("marketprism run storage",),
        "No result waits.",
    ),
    "SloTickFreshness": Steps(
        ("marketprism status", "marketprism logs --event event_loop.blocked"),
        ("marketprism run validator",),
        "Both windows of the burn are below their bound.",
    ),
    "SloBarFreshness": Steps(
        ("marketprism status",), ("marketprism run aggregator",), "Both windows of the burn are below their bound."
    ),
    "SloCompleteness": Steps(
        ('marketprism gaps "$SYMBOL"',),
        ('marketprism data check "$SYMBOL"',),
        "Both windows of the burn are below their bound.",
    ),
    "SloFeedsInSession": Steps(
        ("marketprism gateway status",),
        ("marketprism gateway auto",),
        "Both windows of the burn are below their bound.",
    ),
    "SloLeadership": Steps(
        ("marketprism status", "marketprism logs --event lease.acquired"),
        ('marketprism run "$SERVICE"',),
        "Both windows of the burn are below their bound.",
    ),
    "SloRowsStored": Steps(
        ("marketprism store status",), ("marketprism run storage",), "Both windows of the burn are below their bound."
    ),
    "SloApiLatency": Steps(
        ("marketprism logs --level warning api query",),
        ("marketprism run query",),
        "Both windows of the burn are below their bound.",
    ),
    "SloApiAvailability": Steps(
        ("marketprism status", "marketprism logs --level error api"),
        ('marketprism run "$SERVICE"',),
        "Both windows of the burn are below their bound.",
    ),
}

__all__ = ["SERVING"]
