"""Alerts about jobs: runs that failed, were missed, begin late or find no room; tasks of data jobs that failed; results
of backtests that are not stored."""

from __future__ import annotations

from marketprism_services.monitoring.alert import Alert, Runbook, Scene, Severity, risen, rising

_TICKET = Severity.TICKET
_RUNS = "marketprism_schedule_runs_total"
_TASKS = "marketprism_data_tasks_total"
_LATE = "marketprism_schedule_lateness_seconds"
_WHO = 'service="scheduler",instance="scheduler-1"'
_UNSTORED = 'marketprism_backtest_results_waiting{service="backtest",instance="backtest-1"}'
_WAITING = f"marketprism_schedule_waiting{{{_WHO}}}"

JOBS = (
    Alert(
        "JobFailed",
        _TICKET,
        risen(f'{_RUNS}{{result=~"failed|timed_out"}}', "15m", "job"),
        "0s",
        "Job {{ $labels.job }} has failed",
        Runbook(
            "A run of a job was tried as often as its job says, and failed or took too long. What it does was not done, "
            "or found something wrong.",
            (
                "`marketprism jobs runs <job>`: the reason and the output of the newest runs; console page Jobs.",
                "The log of the service that does it, from when the run was begun (`job.run_failed`).",
            ),
            (
                "Mend what the reason names, then `marketprism jobs run <job>`.",
                "A job that is to be silent for a while: `marketprism jobs pause <job> --reason …`.",
            ),
        ),
        rising(_RUNS, f'{_WHO},job="health-sweep",result="failed"'),
        "jobs",
    ),
    Alert(
        "JobMissed",
        _TICKET,
        risen(f'{_RUNS}{{result="missed"}}', "15m", "job"),
        "0s",
        "Job {{ $labels.job }} was due and was not run",
        Runbook(
            "Nobody ran a job at its time: no scheduler led for longer than the job's `late`, or the job was paused.",
            (
                "`marketprism jobs runs <job>`: from when to when, and why.",
                "Whether a scheduler leads: console page System, alert NoLeader.",
            ),
            (
                "Run what is wanted of those times: `marketprism jobs backfill <job> <first> <last>`.",
                "Two instances of the scheduler stand in for one another in a tenth of a second.",
            ),
        ),
        rising(_RUNS, f'{_WHO},job="health-sweep",result="missed"'),
        "jobs",
    ),
    Alert(
        "JobLate",
        _TICKET,
        f'sum(rate({_LATE}_count[10m])) - sum(rate({_LATE}_bucket{{le="10.0"}}[10m])) > 0',
        "5m",
        "Jobs are begun more than 10 s late",
        Runbook(
            "Runs begin long after they were due: the scheduler is busy, was away, or its room for runs is full.",
            (
                "Metrics `marketprism_schedule_running` and `marketprism_schedule_waiting` beside `most_running` of `[scheduler]`.",
                "`marketprism jobs list`: which jobs run for long.",
            ),
            ("Raise `most_running` of `[scheduler]`, or spread jobs that are due at one time by their `jitter`.",),
        ),
        (
            Scene({f"{_LATE}_count{{{_WHO}}}": "0+1x80", f'{_LATE}_bucket{{{_WHO},le="10.0"}}': "0x80"}, "18m"),
            Scene({f"{_LATE}_count{{{_WHO}}}": "0+1x80", f'{_LATE}_bucket{{{_WHO},le="10.0"}}': "0+1x80"}, "18m", 0),
        ),
        "jobs",
    ),
    Alert(
        "JobsWaiting",
        _TICKET,
        "sum(marketprism_schedule_waiting) > 20",
        "10m",
        "{{ $value }} runs of jobs wait for their turn",
        Runbook(
            "More runs are due than are done: they begin later and later.",
            ("`marketprism jobs list`: which job's runs are open, and what they wait for.",),
            (
                "Cancel what hangs (`marketprism jobs cancel <job> <due>`), or give it a shorter `timeout`.",
                "Raise `most_running` of `[scheduler]` where the services have room for more.",
            ),
        ),
        (Scene({_WAITING: "0x4 30x80"}, "14m"), Scene({_WAITING: "0x4 20x80"}, "14m", 0)),
        "jobs",
    ),
    Alert(
        "DataTaskFailed",
        _TICKET,
        risen(f'{_TASKS}{{result="failed"}}', "15m", "job"),
        "0s",
        "A task of a data job has failed ({{ $labels.job }})",
        Runbook(
            "A series of a download, check, recheck, repair, import, export or daily check could not be done: its rows "
            "are not stored, not checked or not repaired. What had been done of it stays.",
            (
                "`marketprism data jobs --state failed`, then `marketprism data jobs <id>`: each series and its reason.",
                "The log of the data service: `data.task_ended` with `stage` failed, `data.task_broken`.",
            ),
            (
                "The venue or its archive is away, or refuses: begin the same download later, it goes on where it ended.",
                "A repair whose proof failed has put the former values back: check the series again.",
                "`MIXED_DATA`, real rows for simulated ones or the reverse: they belong into a pipeline of their own.",
            ),
        ),
        rising(_TASKS, 'service="data",instance="data-1",job="download",result="failed"'),
        "jobs",
    ),
    Alert(
        "BacktestResultsWaiting",
        _TICKET,
        "sum(marketprism_backtest_results_waiting) > 0",
        "2m",
        "{{ $value }} results of backtests wait for the storage",
        Runbook(
            "The storage service does not take results: workers that have them wait, for ten minutes at most, and do "
            "nothing else; then their tasks are done again. Records that have ended stay in NATS.",
            (
                "`marketprism status`: whether a storage service leads, and whether it reaches its store.",
                "The log of the backtest service: `backtest.results_not_stored`, `backtest.record_not_stored`.",
            ),
            (
                "Bring the storage service or its store back: what waits is stored by itself, each result once.",
                "Where the store is full, make room: `marketprism backtest list` says which runs there are.",
            ),
        ),
        (Scene({_UNSTORED: "0x4 2x40"}, "5m"), Scene({_UNSTORED: "0x4 2x4 0x40"}, "5m", 0)),
        "jobs",
    ),
)

__all__ = ["JOBS"]
