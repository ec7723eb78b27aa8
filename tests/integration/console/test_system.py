"""The pages of the system and of its streams: what they show is what runs, and what happens is seen as it happens."""

from __future__ import annotations

import os
import signal
import time
from typing import Any

import pytest
from playwright.sync_api import Browser, Route, expect

from tests.integration.console.faked_system import (
    HOSTILE,
    a_system,
    answering,
    instance,
    refuse_channels,
    text_of,
    wrong,
)
from tests.integration.console.processes import another
from tests.support.console import Site, module, viewer

pytestmark = [pytest.mark.xdist_group("console"), pytest.mark.timeout(300)]

LEADER = "[data-leader='gateway.default']"


def test_the_system_is_shown_as_it_is(browser: Browser, futures: Site) -> None:
    with viewer(browser, futures.base) as seen:
        seen.open("/system")
        seen.page.wait_for_selector("mp-instances tbody tr")
        seen.page.wait_for_selector(".cells li")
        told = futures.ask("/system")
        for row in told["instances"]:
            shown = text_of(seen, f"[data-instance='{row['service']}/{row['instance']}']")
            assert row["version"] in shown
            assert str(row["partitions"] if row["partitions"] is not None else "–") in shown
        for row in told["leaders"]:
            shown = text_of(seen, f"[data-leader='{row['service']}.{row['group']}']")
            assert row["holder"] in shown
            assert str(row["epoch"]) in shown
        for row in told["shards"]:
            owners = {number: owner for owner, own in row["owners"].items() for number in own}
            cells = seen.page.locator(f".cells[data-stage='{row['service']}'] li")
            assert [cells.nth(n).get_attribute("data-owner") for n in range(cells.count())] == [
                owners[n] for n in range(32)
            ]
        assert seen.page.locator("[data-tile='verdicts'] b").get_attribute("title") == f"{told['lags']['accepted']:,}"
        assert text_of(seen, "[data-tile='rate'] b") in ("0", "–")
        seen.until("document.querySelector('[data-tile=rate] b').textContent === '0'")
        assert wrong(seen) == []


def test_an_instance_is_opened_by_its_address_and_closed_by_a_key(browser: Browser, futures: Site) -> None:
    row = next(each for each in futures.ask("/system/instances") if each["service"] == "validator")
    key = f"validator/{row['instance']}"
    with viewer(browser, futures.base) as seen:
        seen.open(f"/system?instance={key}")
        seen.page.wait_for_selector("dialog.drawer[open]")
        assert row["instance"] in text_of(seen, "dialog.drawer h2")
        assert row["version"] in text_of(seen, "dialog.drawer dl")
        seen.page.keyboard.press("Escape")
        seen.until("!document.querySelector('dialog.drawer').open")
        seen.until("!location.search.includes('instance=')")
        seen.page.locator(f"[data-key='{key}']").focus()
        seen.page.keyboard.press("Enter")
        seen.until("document.querySelector('dialog.drawer').open")
        assert "instance=" in seen.page.url
        seen.page.locator("dialog.drawer [role=tab]").first.focus()
        seen.page.keyboard.press("ArrowRight")
        seen.until("location.search.includes('view=health')")
        assert seen.violations() == []
        assert wrong(seen) == []


@pytest.mark.long
def test_a_leader_that_is_killed_is_followed_on_the_screen_by_the_next(
    browser: Browser, futures: Site, record_property: Any
) -> None:
    with another(futures, "gateway"), viewer(browser, futures.base) as seen:
        seen.open("/system")

        def gateways() -> dict[str, Any]:
            return {each["instance"]: each for each in futures.ask("/system/instances") if each["service"] == "gateway"}

        futures.until(lambda: len([each for each in gateways().values() if each["health"] == "healthy"]) == 2)
        seen.until("document.querySelectorAll('[data-instance^=\"gateway/\"]').length === 2")
        seen.page.wait_for_selector(f"{LEADER} .holder")
        before = text_of(seen, f"{LEADER} .holder")
        (standby,) = gateways().keys() - {before}
        epoch = int(text_of(seen, f"{LEADER} .number"))
        others = "[...document.querySelectorAll('[data-leader]:not([data-leader=\"gateway.default\"]), .cells')].map((each) => each.innerText)"
        still = seen.page.evaluate(others)
        seen.page.evaluate("window.kept = [...document.querySelectorAll('[data-leader], .cells li, .tile')]")
        seen.page.evaluate("scrollTo(0, 120)")
        began = time.monotonic()
        os.kill(gateways()[before]["pid"], signal.SIGKILL)
        seen.until(f"document.querySelector(\"{LEADER} .holder\")?.innerText === '{standby}'")
        took_s = time.monotonic() - began
        record_property("hand_over_on_screen_s", round(took_s, 3))
        print(f"hand-over on screen after {took_s:.3f} s")
        assert int(text_of(seen, f"{LEADER} .number")) > epoch
        seen.page.wait_for_selector(".moves li")
        moved = text_of(seen, "mp-elections .moves li")
        assert f"{before} → {standby}" in moved
        seen.until("document.querySelector('mp-elections .moves li')?.innerText.includes('did not answer')")
        assert seen.page.locator("[data-lane='gateway.default'] svg rect").count() >= 3
        # Nothing else moves: the same elements in the same places, and the page where it was scrolled to.
        assert seen.page.evaluate(others) == still
        assert seen.page.evaluate("window.kept.every((each) => each.isConnected)")
        assert seen.page.evaluate("scrollY") == 120
        assert seen.page.evaluate("location.search") == ""
        futures.until(lambda: len(gateways()) == 2)  # the one that was killed is started again
        # A lease that is given back says so; and what was seen is known after a reload.
        now = seen.page.evaluate("performance.timeOrigin")
        seen.page.reload()
        seen.page.wait_for_selector("mp-elections .moves li")
        assert seen.page.evaluate("performance.timeOrigin") != now
        assert f"{before} → {standby}" in text_of(seen, "mp-elections .moves")
    futures.until(lambda: any(each["is_leader"] for each in gateways().values()))


@pytest.mark.parametrize("width", [390, pytest.param(1440, marks=pytest.mark.long)])
@pytest.mark.long_on("390")
def test_names_that_are_hostile_and_many_are_only_names(browser: Browser, futures: Site, width: int) -> None:
    with viewer(browser, futures.base, width=width) as seen:
        rows = [instance(name, name, reason=name, version=name, group=name) for name in HOSTILE]
        rows += [instance("many", f"i-{n}") for n in range(10_000)]
        shards = [
            {"service": "validator", "owners": {name: [n] for n, name in enumerate(HOSTILE)}, "unowned": [30, 31]}
        ]
        alerts = [{"level": "error", "kind": "instance", "what": name, "text": name} for name in HOSTILE]
        leaders = [
            {"service": name, "group": name, "holder": name, "epoch": 1, "state": "held", "age_s": 0.1, "problem": name}
            for name in HOSTILE
        ]
        answering(seen.page, a_system(instances=rows, shards=shards, alerts=alerts, leaders=leaders))
        refuse_channels(seen.page)
        seen.open("/system")
        seen.page.wait_for_selector("mp-instances tbody tr")
        seen.until("document.querySelector('.stale-note')?.innerText.includes('3 s')")  # asked anew, and says so
        assert seen.page.locator("mp-instances tbody tr").count() <= 300
        expect(seen.page.locator("#content img")).to_have_count(0)
        assert seen.too_wide() == []
        assert all(name in text_of(seen, "mp-alerts") for name in HOSTILE if "evil" not in name)
        assert "27" in text_of(seen, "mp-partitions [role=alert]")
        expect(seen.page.locator(".cells .unowned")).to_have_count(27)
        assert seen.violations() == []
        assert wrong(seen) == []


def test_what_is_silent_missing_or_alarming_stands_out(browser: Browser, futures: Site) -> None:
    with viewer(browser, futures.base) as seen:
        rows = [
            instance("storage", "s-1", is_silent=True, quiet_s=2.5, health="gone", reason="nobody answers for it"),
            instance("query", "q-1", health="degraded", reason="store: slow"),
        ]
        services = [
            {
                "service": "gateway",
                "instances": 0,
                "active": 0,
                "versions": [],
                "kind": "one",
                "without": "nothing is read",
            }
        ]
        lags = {
            "stages": [{"stage": "storage", "behind": 1234, "oldest_s": 9.5}],
            "partitions": {"storage:MARKET_TICKS": 1234},
            "accepted": 1000,
            "rejected": {"price_limit": 7},
            "bars": {},
            "source_error": "",
        }
        alerts = [{"level": "error", "kind": "service", "what": "gateway", "text": "gateway: none is active"}]
        answering(seen.page, a_system(instances=rows, services=services, lags=lags, alerts=alerts))
        refuse_channels(seen.page)
        seen.open("/system")
        seen.page.wait_for_selector("[data-instance='storage/s-1']")
        assert "silent for" in text_of(seen, "[data-instance='storage/s-1']")
        assert "nobody answers" in text_of(seen, "[data-instance='storage/s-1']")
        assert "beats" in text_of(seen, "[data-instance='query/q-1']")
        assert "nothing is read" in text_of(seen, "mp-instances tbody")
        assert "gone" in text_of(seen, "[data-tile=health]")
        assert "Gateway" in text_of(seen, "[data-tile=health]")
        assert "1 of them errors" in text_of(seen, "[data-tile=alerts]")
        assert "7 rejected" in text_of(seen, "[data-tile=verdicts]")
        assert "price_limit: 7" in text_of(seen, "[data-tile=verdicts]")
        assert "1,234 messages behind, 9.5 s" in text_of(seen, "[data-tile=lag]")
        seen.page.locator("mp-instances select").select_option("query")
        seen.until("document.querySelectorAll('[data-instance]').length === 1")
        assert "service=query" in seen.page.url
        assert wrong(seen) == []


def test_what_an_instance_says_is_shown_and_searched(browser: Browser, futures: Site) -> None:
    says = {
        "status": {"state": "subscribed", "streams": [], "calendar": {"known_to": "2026-12-31"}, "error": HOSTILE[0]},
        "health": {
            "status": "degraded",
            "dependencies": {"nats": "healthy", "source": "degraded"},
            "reasons": {"source": "two streams are stale"},
        },
        "metrics": [
            {"name": f"metric_{n}", "labels": {"venue": HOSTILE[3]}, "value": n, "kind": "gauge", "help": f"Help {n}."}
            for n in range(1000)
        ],
        "missing": {},
    }
    lines = [
        {
            "seq": n,
            "ts": 1_795_811_342_219_439_860 + n,
            "level": level,
            "event": f"event.{n}",
            "fields": {"why": HOSTILE[0]},
        }
        for n, level in enumerate(["info", "warning", "error"])
    ]
    with viewer(browser, futures.base, width=390) as seen:
        scopes = [*futures.ask("/me")["scopes"], "metrics:read", "sys:operate"]

        def fulfil(path: str, data: object) -> None:
            body = {"success": True, "data": data, "message": "", "request_id": "r"}
            seen.page.route(f"**/api/v1{path}", lambda route: route.fulfill(json=body))

        fulfil("/me", {**futures.ask("/me"), "scopes": scopes})
        names = ("/system/instances/{service}/{instance}", "/system/instances/{service}/{instance}/logs")
        fulfil("", [{"method": "GET", "path": f"/api/v1{path}", "summary": "", "scope": ""} for path in names])
        fulfil("/system/instances/*/*", says)
        fulfil("/system/instances/*/*/logs", {"lines": lines, "after": 2, "more": False, "missed": False, "dropped": 0})
        row = next(each for each in futures.ask("/system/instances") if each["service"] == "query")
        address = f"/system?instance=query/{row['instance']}"
        seen.open(address)
        drawer = "dialog.drawer[open]"
        seen.page.wait_for_selector(f"{drawer} table")
        assert HOSTILE[0] in text_of(seen, f"{drawer} table")
        seen.open(f"{address}&view=health")
        seen.page.wait_for_selector(f"{drawer} table")
        assert "two streams are stale" in text_of(seen, f"{drawer} table")
        seen.open(f"{address}&view=metrics")
        seen.page.wait_for_selector(f"{drawer} tbody tr")
        expect(seen.page.locator(f"{drawer} tbody tr")).to_have_count(300)
        seen.page.fill(f"{drawer} input", "metric_77")
        seen.until(f"document.querySelectorAll('{drawer} tbody tr').length === 11")
        assert seen.too_wide() == []
        assert seen.violations() == []
        seen.open(f"{address}&view=log")
        seen.page.wait_for_selector(f"{drawer} .log li")
        assert "event.2" in text_of(seen, f"{drawer} .log li")  # the newest comes first
        expect(seen.page.locator(f"{drawer} img")).to_have_count(0)
        assert seen.violations() == []
        # An answer that is still waited for when another instance is looked at would stand under that one.
        waits: list[Route] = []
        seen.page.route(f"**/system/instances/query/{row['instance']}/logs", lambda route: waits.extend((route,)))
        seen.page.reload()
        end = time.monotonic() + 30
        while not waits and time.monotonic() < end:
            seen.page.wait_for_timeout(20)
        with seen.page.expect_event("requestfailed", lambda request: request.url.endswith("/logs")):
            seen.page.evaluate(
                "history.pushState(null, '', '/system?instance=query/other'); dispatchEvent(new PopStateEvent('popstate'))"
            )
        assert wrong(seen) == []


def test_who_may_not_see_the_system_is_told_which_permission_it_needs(browser: Browser, futures: Site) -> None:
    with viewer(browser, futures.base) as seen:
        error = {"code": "FORBIDDEN", "message": "expected sys:read", "details": {"scope": "sys:read"}}
        body = {"success": False, "error": error, "request_id": "r"}
        seen.page.route("**/api/v1/system", lambda route: route.fulfill(status=403, json=body))
        refuse_channels(seen.page)
        for path in ("/system", "/streams"):
            seen.open(path)
            seen.page.wait_for_selector("#content .failed")
            assert "sys:read" in text_of(seen, "#content .failed")


def test_lanes_keep_what_was_seen_and_no_more(browser: Browser, futures: Site) -> None:
    with viewer(browser, futures.base) as seen:
        seen.open("/about")
        found = seen.page.evaluate(
            """async ([file, name]) => {
              const { Elections } = (await import(file))[name];
              const row = (holder, epoch, state = 'held') => ({ service: 's', group: 'g', holder, epoch, state });
              const made = new Elections();
              made.leads([row('a', 1)], 1000);
              made.leads([row('a', 1)], 2000);
              made.told('LeaseReleased', { key: 's.g', holder: 'a', epoch: 1 }, 2900);
              made.leads([row('a', 1, 'released')], 3000);
              made.leads([row('b', 2)], 3050);
              made.told('LeaseAcquired', { key: 's.g', holder: 'b', epoch: 2, takeover_s: 0.05 }, 3060);
              made.leads([row('a', 1)], 3100); // read before
              made.hole(4000, 9000);
              made.leads([row('b', 2)], 9000);
              const again = Elections.from(made.kept(9500), 9600);
              again.leads([row('c', 3)], 9700);
              const spans = (all) => all.lanes.get('s.g').spans.map((each) => [each.holder, each.from, each.to || 0]);
              return [spans(made), made.handOvers(), spans(again), again.handOvers().map((each) => [each.to, each.cause, each.took || 0])];
            }""",
            module("system/elections.js"),
        )
    spans, hand_overs, again, later = found
    assert spans == [["a", 1000, 3000], ["", 3000, 3050], ["b", 3050, 4000], ["?", 4000, 9000], ["b", 9000, 0]]
    assert hand_overs == [
        {"at": 3050, "key": "s.g", "from": "a", "to": "b", "epoch": 2, "took": 50, "cause": "released"}
    ]
    assert again[-3:] == [["b", 9000, 9500], ["?", 9500, 9700], ["c", 9700, 0]]
    assert later == [["c", "?", 0], ["b", "released", 50]]
