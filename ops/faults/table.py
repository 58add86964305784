"""The faults: one table, a row each. A new fault is a function and its line here."""

from difflib import get_close_matches

from chat4all.root import ROOT
from ops.faults import accounts, growing, kills, many, mixed, outages, providers, records, slow, webhooks
from ops.faults.judge import Fault

KILLED_S = 7.0
BROKER_S = 10.0
SABOTAGE = {"PYTHONPATH": str(ROOT / "ops" / "faults" / "sabotage")}
# Probes log in more often than people do.
MANY_LOGINS = {"CHAT4ALL_LOGIN_LIMIT": "100000/minute"}
EMBEDDED = ("embedded",)
REAL = ("real",)
CLUSTER = ("cluster",)

_ROWS = (
    Fault("pipeline-worker", "pipeline worker killed", kills.pipeline_worker, recovery_s=KILLED_S, short=True),
    Fault("channel-worker", "channel worker killed", kills.channel_worker, True, KILLED_S, short=True, backlog=True),
    Fault("bridge", "bridge killed", kills.bridge, recovery_s=KILLED_S),
    Fault("stream", "stream server killed", kills.stream, recovery_s=KILLED_S),
    Fault("gateway-process", "gateway process killed", kills.gateway_process, recovery_s=KILLED_S),
    Fault("rolling-restart", "SIGTERM to every process in turn", kills.rolling_restart),
    Fault("frozen-worker", "channel worker frozen past its lease", kills.frozen_worker, True),
    Fault("two-bridges", "two bridges restarted at random", kills.two_bridges),
    Fault("joining", "a second process of each kind joins, the first leave and return", growing.joining),
    # A wait that was written by a clock that is ahead is over by ours two minutes later: late, never lost.
    Fault("wrong-clock", "workers two minutes in the future", kills.wrong_clock, True, arrive_s=kills.CLOCK_S + 120),
    Fault("broker-killed", "broker away for 30 s", outages.broker_killed, recovery_s=BROKER_S, backlog=True),
    Fault("broker-wiped", "broker emptied, 3 times", outages.broker_wiped, recovery_s=BROKER_S, backlog=True, short=True),
    Fault("queues-deleted", "queues deleted, 3 times", outages.queues_deleted, recovery_s=BROKER_S, backlog=True),
    Fault("log-down", "log away for 60 s", outages.log_down),
    Fault("store-down", "store away for 60 s", outages.store_down),
    Fault("store-frozen", "store frozen for 60 s", outages.store_frozen),
    Fault("servers-restarted", "each server killed and restarted", growing.servers_restarted, True, stacks=REAL),
    Fault("node-left-dead", "one broker, one node of three die", growing.node_left_dead, stacks=CLUSTER),
    Fault("log-full", "the log's disk is full", outages.log_full, small="log", stacks=EMBEDDED),
    Fault(
        "store-full",
        "the store's disk is full",
        outages.store_full,
        env={"CHAT4ALL_STORE": "sqlite:store/store.db"},
        small="store",
        stacks=EMBEDDED,
    ),
    Fault("records-doubled", "every record doubled", records.doubled),
    Fault("offsets-reset", "offsets back to the start", records.offsets_reset),
    Fault("poison", "records that nobody can process", records.poison, short=True),
    Fault("giant", "a message of 10 MB in the log", records.giant, stacks=EMBEDDED),
    Fault("crasher", "a record that kills the worker", records.crasher, env=SABOTAGE, tail_s=2.0),
    Fault("provider-hangs", "WhatsApp hangs for 10 s", providers.hanging),
    Fault("provider-refuses", "half of all calls answered 500 or 429", providers.refusing),
    Fault("responses-dropped", "answers lost after acceptance", providers.dropped_responses, True, short=True),
    Fault(
        "webhooks",
        "an endpoint and whoever tells it killed",
        webhooks.webhooks,
        True,
        env=webhooks.SCALED,
        per_second=webhooks.PER_SECOND,
    ),
    Fault(
        "endpoint-away",
        "an endpoint away for an hour",
        webhooks.endpoint_away,
        env={"CHAT4ALL_TOKEN_S": "86400"},
        long=True,
        per_second=webhooks.SLOWLY,
    ),
    Fault("slow-clients", "2,790 slow clients in nine ways", slow.clients, env=MANY_LOGINS, stacks=EMBEDDED),
    Fault(
        "account-changes",
        "accounts added, rotated, paused, removed",
        accounts.changes,
        env=accounts.ENV,
        prepare=accounts.prepare,
    ),
    Fault(
        "broadcast",
        "a broadcast to many, all kinds of harm at once",
        many.broadcast,
        True,
        arrive_s=240,
        cut_calls=True,
        env=many.SETTINGS,
        stacks=EMBEDDED,
        long=True,
        per_second=many.OTHERS_PER_SECOND,
        prepare=many.prepare,
    ),
    Fault("receipts-odd", "receipts doubled, shuffled, early", providers.receipts),
    Fault("mixed", "all kinds at once, at random", mixed.mixed, True, arrive_s=240, cut_calls=True, per_second=60),
)

FAULTS = {each.name: each for each in _ROWS}


class UnknownFault(Exception):
    """No fault has this name. The text names close ones."""


def chosen(name: str = "", short: bool = False) -> list[Fault]:
    """The faults to run: those named with commas between, the short ones, or all but long ones. UnknownFault: a wrong name."""
    if not name:
        return [each for each in _ROWS if each.short or not (short or each.long)]
    found = []
    for each in name.split(","):
        if each not in FAULTS:
            close = get_close_matches(each, FAULTS) or list(FAULTS)
            raise UnknownFault(f"no fault {each!r}; known: {', '.join(close)}")
        found.append(FAULTS[each])
    return found
