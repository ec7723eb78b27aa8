"""Reports as files: CSV, Markdown, and a page for a browser, in two languages."""

from __future__ import annotations

from marketprism_application.integrity.html_page import PageSpeech, html_report
from marketprism_application.integrity.rendering import csv_report, markdown_report
from marketprism_domain.integrity.report import IntegrityReport
from marketprism_services.cli.clocks import Zone
from marketprism_services.cli.language.catalogue import catalogue, spoken


def written(report: IntegrityReport, form: str, zone: Zone) -> bytes:
    """A report as a file: `csv`, `md`, or `html`."""
    if form == "csv":
        return csv_report(report).encode()
    if form == "md":
        return markdown_report(report).encode()
    speech = PageSpeech(zone.text, zone.name, catalogue("zh_CN").translate, "zh" if spoken() else "en")
    return html_report(report, speech).encode()
