"""Alerts about who leads and who has which partition."""

from __future__ import annotations

from collections.abc import Mapping

from marketprism_application.contracts.partitions import PARTITIONS
from marketprism_services.monitoring.alert import Alert, Runbook, Scene, Severity

_PAGE, _TICKET = Severity.PAGE, Severity.TICKET
_A = 'service="gateway",group="sim",instance="gateway-1"'
_B = 'service="gateway",group="sim",instance="gateway-2"'
_C = 'service="validator",instance="validator-1"'
_D = 'service="validator",instance="validator-2"'

_NUMBER = "(marketprism_leader == 1) * on (service, group, instance) marketprism_lease_epoch"


def _leading(by_instance: Mapping[str, tuple[str, str]]) -> dict[str, str]:
    """Whether each says that it leads, and in which leadership."""
    leads = {f"marketprism_leader{{{who}}}": leader for who, (leader, _) in by_instance.items()}
    return leads | {f"marketprism_lease_epoch{{{who}}}": epoch for who, (_, epoch) in by_instance.items()}


# A leader is killed every 15 s; the last word of each is still there when its successor leads.
_STORM = {
    f'service="gateway",group="sim",instance="gateway-{n}"': (
        f"_x{n} 1 1 stale" if n else "1 1 stale",
        f"_x{n} {n + 1} {n + 1} stale" if n else "1 1 stale",
    )
    for n in range(20)
}

LEADERSHIP = (
    Alert(
        "NoLeader",
        _PAGE,
        'max by (where) (marketprism_pipeline_problem{kind="leaderless"}) > 0',
        "0s",
        "Nobody leads {{ $labels.where }}",
        Runbook(
            "The holder of a lease is gone, or instances stand by and none takes it: that part of the pipeline stands.",
            ("`marketprism status`, console page System: holder, epoch, who stands by. Logs of these instances.",),
            (
                "Start an instance of the service. Where some stand by, look at their connection to NATS and at the bucket `service_leases`.",
            ),
        ),
        (
            Scene(
                {'marketprism_pipeline_problem{kind="leaderless",stage="leader",where="gateway.sim"}': "0x4 1x40"}, "2m"
            ),
            Scene(
                {'marketprism_pipeline_problem{kind="leaderless",stage="leader",where="gateway.sim"}': "1x4 0x40"},
                "2m",
                0,
            ),
        ),
        "leadership",
        needs_broker=True,
    ),
    Alert(
        "TwoLeaders",
        _PAGE,
        # The number of a leadership decides, not how many there are: of a leader that was killed its last word stands
        # until the next scrape, beside its successor's. Each is counted by itself, so that one such word after another,
        # as in a storm of kills, is no lasting state.
        f"{_NUMBER} < on (service, group) group_left () max by (service, group) ({_NUMBER})",
        "15s",
        "{{ $labels.service }} {{ $labels.group }} {{ $labels.instance }} says that it leads, in leadership {{ $value }}; there is a later one",
        Runbook(
            "Two instances take themselves for the leader. What the older one writes is refused by its epoch (fencing), so data are safe; it does no work that counts.",
            ("`marketprism status`: which has the lower epoch? Its log, its clock, its connection.",),
            ("Stop the one with the lower epoch, keep its log and report it.",),
        ),
        (
            Scene(_leading({_A: ("1x40", "7x40"), _B: ("0x4 1x40", "0x4 8x40")}), "3m"),
            Scene(_leading({_A: ("1x4 0x40", "7x40"), _B: ("0x4 1x40", "0x4 8x40")}), "3m", 0),
            Scene(_leading({_A: ("1x40", "7x40"), _B: ("0x40", "9x40")}), "3m", 0),  # who led last leads no more
            *(Scene(_leading(_STORM), at, 0) for at in ("2m", "150s", "3m")),
        ),
        "leadership",
    ),
    Alert(
        "LeaderFlapping",
        _TICKET,
        # As the monitor counts them: a process that ends and comes again begins its own counters anew.
        "max by (lease) (max_over_time(marketprism_lease_epoch_held[15m])"
        " - min_over_time(marketprism_lease_epoch_held[15m])) > 4",
        "0s",
        "The leader of {{ $labels.lease }} changes again and again",
        Runbook(
            "Leadership goes to and fro; each change costs a second or more.",
            (
                "Metrics `marketprism_lease_renewals_late_total`, `marketprism_event_loop_worst_stall_seconds`; logs of both instances.",
            ),
            ("A machine that is too busy renews too late: give it room, or a longer lease in the settings.",),
        ),
        (
            Scene(
                {'marketprism_lease_epoch_held{service="monitor",lease="gateway.sim"}': "7x20 8x4 10x4 13x60"}, "14m"
            ),
            Scene({'marketprism_lease_epoch_held{service="monitor",lease="gateway.sim"}': "7x20 8x80"}, "14m", 0),
        ),
        "leadership",
        needs_broker=True,
    ),
    Alert(
        "LeaseRenewalsLate",
        _TICKET,
        "increase(marketprism_lease_renewals_late_total[10m]) > 3",
        "0s",
        "{{ $labels.service }} {{ $labels.instance }} renews its lease late",
        Runbook(
            "A leader comes near to losing its lease: the process, NATS or the way between them is slow.",
            ("Dashboards Elections and shards, Runtime; load of the machine of nats-server and its disk.",),
            ("Give the slower of the two room.",),
        ),
        (
            Scene({f"marketprism_lease_renewals_late_total{{{_A}}}": "0+0.5x40"}, "9m"),
            Scene({f"marketprism_lease_renewals_late_total{{{_A}}}": "0x8 1x40"}, "9m", 0),
        ),
        "leadership",
        needs_broker=True,
    ),
    Alert(
        "TakeoverSlow",
        _TICKET,
        "marketprism_takeover_seconds > 10 and changes(marketprism_lease_epoch[10m]) > 0",
        "0s",
        "{{ $labels.service }} {{ $labels.instance }} took over after {{ $value | humanizeDuration }}",
        Runbook(
            "A takeover took longer than ten seconds; the objective is a few.",
            ("Log of the new leader between `lease.acquired` and its first work: store, source or NATS slow?",),
            ("Mend what it waited for; a shorter lease finds a dead leader sooner.",),
        ),
        (
            Scene(
                {f"marketprism_takeover_seconds{{{_A}}}": "15x40", f"marketprism_lease_epoch{{{_A}}}": "1x8 2x30"}, "4m"
            ),
            Scene(
                {f"marketprism_takeover_seconds{{{_A}}}": "2x40", f"marketprism_lease_epoch{{{_A}}}": "1x8 2x30"},
                "4m",
                0,
            ),
            Scene(
                {f"marketprism_takeover_seconds{{{_A}}}": "15x80", f"marketprism_lease_epoch{{{_A}}}": "2x80"}, "15m", 0
            ),
        ),
        "leadership",
    ),
    Alert(
        "PartitionUnowned",
        _PAGE,
        f"sum by (service) (marketprism_partitions_owned) < {PARTITIONS}",
        "15s",
        "Instances of {{ $labels.service }} have {{ $value }} of all partitions together",
        Runbook(
            "Some partitions are nobody's: the ticks of their instruments wait in the log.",
            ("`marketprism status` and dashboard Elections and shards: who has which. Logs of the instances.",),
            (
                "Start more instances, or restart the one that holds fewer than its share. Nothing is lost while the log holds it.",
            ),
        ),
        (
            Scene(
                {
                    f"marketprism_partitions_owned{{{_C}}}": "16x40",
                    f"marketprism_partitions_owned{{{_D}}}": "16x4 14x40",
                },
                "3m",
            ),
            Scene(
                {
                    f"marketprism_partitions_owned{{{_C}}}": "16x40",
                    f"marketprism_partitions_owned{{{_D}}}": "16x4 0 16x40",
                },
                "3m",
                0,
            ),
        ),
        "leadership",
        needs_broker=True,
    ),
    Alert(
        "PartitionsDisagree",
        _TICKET,
        "marketprism_partitions_apart > 0",
        "1m",
        "{{ $labels.service }} {{ $labels.instance }} and the records differ about partitions",
        Runbook(
            "The records of who owns what and an instance differ for longer than a handover takes.",
            ("Log event `partition.mismatched`; `marketprism status`.",),
            ("Restart the instance that is named.",),
        ),
        (
            Scene({f"marketprism_partitions_apart{{{_C}}}": "0x4 2x40"}, "4m"),
            Scene({f"marketprism_partitions_apart{{{_C}}}": "0x4 2x2 0x40"}, "4m", 0),
        ),
        "leadership",
        needs_broker=True,
    ),
)

__all__ = ["LEADERSHIP"]
