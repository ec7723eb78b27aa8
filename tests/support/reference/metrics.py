"""`docs/metrics.md`: every metric with its kind, labels and meaning."""

from __future__ import annotations

from marketprism_sdk.observability import FRAMEWORK, Family, MetricKind
from marketprism_services.settings.metrics import METRICS
from marketprism_services.settings.services import SERVICES
from tests.support.reference.markdown import code, table

_HEAD = ("Metric", "Kind", "Labels", "Meaning")


def _rows(families: tuple[Family, ...]) -> list[tuple[str, str, str, str]]:
    return [
        (code(METRICS.full_name(each.name)), each.kind.value, ", ".join(map(code, each.labels)), each.text)
        for each in sorted(families, key=lambda family: family.name)
    ]


def metrics_page() -> str:
    """The page."""
    ports = table(("Service", "Port"), [(row.name, str(row.port)) for row in SERVICES])
    histograms = [each for each in (*FRAMEWORK, *METRICS.families) if each.kind is MetricKind.HISTOGRAM]
    buckets = "\n".join(
        f"- {', '.join(code(METRICS.full_name(each.name)) for each in histograms if each.buckets == bounds)}: "
        f"{', '.join(f'{bound:g}' for bound in bounds)}"
        for bounds in dict.fromkeys(each.buckets for each in histograms)
    )
    return f"""# Metrics

Every service answers `GET /metrics` in Prometheus' text form, at a port of its own (`[http]` of the [settings](settings.md)):

{ports}

A second instance of a service on one machine finds its port in use and takes any free one; the registry (`marketprism status --json`)
and the log (`http.port_taken`) say which. A family appears when it is first counted: a counter that is missing is 0. Counters begin
at 0 with each process. Names are `{METRICS.namespace}_…`; a service of your own that stands on `marketprism_sdk` has the namespace of its
`MetricsSettings`, or none. The process and its interpreter are `process_…` (processor time, memory, open files, when it began) and
`python_…` (garbage collection, version), as every Prometheus client names them.

Labels are bounded: a family tells so many combinations apart and no more (most {max(each.most_series for each in FRAMEWORK)}); what comes with others is counted as
`other` and in `{METRICS.namespace}_metric_series_refused_total`.

This page is made of the code by `make docs`.

## Of the pipeline

{table(_HEAD, _rows(METRICS.families))}

## Of every service

{table(_HEAD, _rows(FRAMEWORK))}

## Buckets of the histograms

{buckets}
"""
