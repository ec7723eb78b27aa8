"""The reconciliation as a verdict of a trial: whatever is neither done nor moving at its end is wrong."""

from __future__ import annotations

from marketprism_adapters.nats.pipeline_probe import PipelineProbe
from marketprism_adapters.remote.tally import RemoteTally
from marketprism_sdk.messaging import LeaderClient, NatsBus, RpcClient
from marketprism_services.chaos.report import Report
from marketprism_services.monitor.pipeline_audit import problems_now


async def reconcile(probe: PipelineProbe, report: Report, *, stored: bool) -> None:
    """Count and note what is wrong; `stored` says whether a storage service takes part. Raises SdkError."""
    calls = RpcClient(NatsBus(probe.connection))
    tally = RemoteTally(LeaderClient(calls, "storage")) if stored else None
    problems, progress = await problems_now(probe, tally)
    found = [problem.text for problem in problems if stored or problem.stage != "storage"]
    report.wrong += len(found)
    taken = sum(max(0, seen.taken) for seen in progress.stages)
    report.notes += [f"reconciliation: {text}" for text in found] or [
        f"reconciliation: {taken} messages, nothing wrong"
    ]


__all__ = ["reconcile"]
