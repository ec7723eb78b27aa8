"""Alerts about those who read: questions that fail, an API gateway that refuses, services behind it that fall out."""

from __future__ import annotations

from marketprism_services.monitoring.alert import Alert, Runbook, Scene, Severity, risen, rising

_TICKET = Severity.TICKET
_WHO = 'service="query",instance="query-1"'
_API = 'instance="api-1"'
_FAILED = f'marketprism_query_failures_total{{{_WHO},question="bars",code="STORE_UNAVAILABLE"}}'
_WRONG = f'marketprism_query_failures_total{{{_WHO},question="bars",code="INVALID_PARAMETER"}}'
_ASKED = f'marketprism_query_seconds_count{{{_WHO},question="bars"}}'

READING = (
    Alert(
        "QueriesFail",
        _TICKET,
        'sum(rate(marketprism_query_failures_total{code!~"INVALID.*|NOT_FOUND|UNKNOWN.*"}[5m]))'
        " / sum(rate(marketprism_query_seconds_count[5m])) > 0.05",
        "2m",
        "{{ $value | humanizePercentage }} of the questions fail",
        Runbook(
            "Questions end in an error that is not their own fault.",
            ("Labels `question` and `code`; log of query; StoreDown, StoreBehind.",),
            ("Mend the store. A question that costs too much: limits in docs/settings.md.",),
        ),
        (
            Scene({_FAILED: "0+2x60", _ASKED: "0+20x60"}, "9m"),
            Scene({_FAILED: "0+1x60", _ASKED: "0+100x60"}, "9m", 0),
            Scene({_WRONG: "0+10x60", _ASKED: "0+20x60"}, "9m", 0),
        ),
        "reading",
    ),
    Alert(
        "RequestsShed",
        _TICKET,
        "rate(marketprism_http_requests_shed_total[5m]) > 1",
        "1m",
        "{{ $labels.instance }} refuses requests: too many at a time",
        Runbook(
            "The API gateway refuses requests because it answers as many as it may.",
            (
                "Dashboard Storage and query: requests by route, time of the slow ones. Console page Access: who asks so much?",
            ),
            ("Start another instance, or lower the quota of the caller.",),
        ),
        (
            Scene({f"marketprism_http_requests_shed_total{{{_API}}}": "0+30x60"}, "8m"),
            Scene({f"marketprism_http_requests_shed_total{{{_API}}}": "0+5x60"}, "8m", 0),
        ),
        "reading",
    ),
    Alert(
        "BackendBreakerOpen",
        _TICKET,
        risen('marketprism_backend_breaker_changes_total{state="open"}'),
        "0s",
        "{{ $labels.instance }} asks {{ $labels.service }} nothing any more for a while",
        Runbook(
            "Nobody of a service answered the API gateway, so it asks nothing for a moment.",
            ("`marketprism status`: are instances of it there? Their processor and log.",),
            ("Start an instance of the service that is named.",),
        ),
        (
            Scene(
                {f'marketprism_backend_breaker_changes_total{{{_API},service="query",state="open"}}': "_x8 1x40"}, "3m"
            ),
            Scene(
                {f'marketprism_backend_breaker_changes_total{{{_API},service="query",state="open"}}': "0x8 1x40"}, "3m"
            ),
            Scene(
                {f'marketprism_backend_breaker_changes_total{{{_API},service="query",state="open"}}': "1x120"}, "20m", 0
            ),
            Scene(
                {f'marketprism_backend_breaker_changes_total{{{_API},service="query",state="closed"}}': "0x8 1x40"},
                "3m",
                0,
            ),
        ),
        "reading",
        needs_broker=True,
    ),
    Alert(
        "HttpConnectionsRefused",
        _TICKET,
        "rate(marketprism_http_connections_refused_total[5m]) > 0.2",
        "1m",
        "{{ $labels.service }} {{ $labels.instance }} refuses connections: every place is taken",
        Runbook(
            "More connections are open than a service takes: many clients, or clients that never close.",
            (
                "Metrics `marketprism_http_connections_closed_idle_total`, `…_cut_slow_total`; `ss -tn` on its machine: from where?",
            ),
            ("A client that opens too many: mend or block it. Else raise the limit, or start another instance.",),
        ),
        (
            Scene({f"marketprism_http_connections_refused_total{{{_WHO}}}": "0+10x60"}, "8m"),
            Scene({f"marketprism_http_connections_refused_total{{{_WHO}}}": "0+1x60"}, "8m", 0),
        ),
        "reading",
    ),
    Alert(
        "SignInUnavailable",
        _TICKET,
        risen("marketprism_oidc_failures_total"),
        "0s",
        "The OpenID provider does not answer {{ $labels.instance }}",
        Runbook(
            "Nobody can sign in through the OpenID provider. Sessions and keys that are there go on.",
            ("Log of the API gateway; the provider's `/.well-known/openid-configuration` from its machine.",),
            (
                "Mend provider, network or the settings of [access](../access.md). Users with a password can sign in meanwhile.",
            ),
        ),
        rising("marketprism_oidc_failures_total", f'service="api",{_API}'),
        "reading",
    ),
)

__all__ = ["READING"]
