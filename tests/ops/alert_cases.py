"""For each alert: series that must fire it, when, with which labels; and series of a well system, that must not.

Series are in promtool's notation: `0+10x20` is 21 values, a minute apart, each ten more.
"""

from collections.abc import Mapping

from msgspec import Struct

Series = Mapping[str, str]


class Case(Struct, frozen=True):
    """`fires` at minute `at` as one alert with `labels`; `quiet` at the same minute not at all."""

    fires: Series
    quiet: Series
    labels: Mapping[str, str] = {}
    at: int = 20


def _partition(metric: str) -> str:
    return f'{metric}{{topic="chat-incoming", partition="3", instance="a"}}'


LAG, OLDEST = _partition("chat4all_lag_records"), _partition("chat4all_oldest_unfinished_seconds")
ACCEPTED = 'chat4all_messages_accepted_total{instance="a"}'
SENT, FAILED = (f'chat4all_attempts_total{{channel="whatsapp", outcome="{each}"}}' for each in ("sent", "temporary"))
WHATSAPP = {"channel": "whatsapp"}


def _letters(stage: str, reason: str) -> str:
    return f'chat4all_dead_letters_total{{stage="{stage}", reason="{reason}", instance="a"}}'


def _slow(metric: str, labels: str, fast: str, slow: str) -> tuple[Series, Series]:
    """A histogram in which all, or none, are slower than `fast` and not than `slow`."""
    names = [f'{metric}_bucket{{{labels}le="{le}"}}' for le in (fast, slow, "+Inf")]
    all_slow = dict(zip(names, ("0x30", "0+600x30", "0+600x30"), strict=True))
    return all_slow, dict.fromkeys(names, "0+600x30")


def _failures(port: str) -> tuple[Series, Series]:
    name = f'chat4all_call_failures_total{{port="{port}", call="page", kind="temporary", instance="a"}}'
    return {name: "0+60x30"}, {name: "0 0 1 1 1 1x20"}


ACCEPT = _slow("chat4all_accept_seconds", "", "0.2", "1")
DELIVERY = _slow("chat4all_delivery_seconds", 'channel="whatsapp", state="SENT", ', "60", "300")

CASES: dict[str, Case] = {
    "LagGrows": Case({LAG: "0+500x30"}, {LAG: "5000-100x30"}, {"topic": "chat-incoming"}),
    "OldestBatchTooOld": Case({OLDEST: "0+60x30"}, {OLDEST: "0 30 0 50 0 59x20"}, {"topic": "chat-incoming", "partition": "3"}),
    "BatchesAgain": Case(
        {'chat4all_chains_again_total{topic="chat-status"}': "0+2x30"},
        {'chat4all_chains_again_total{topic="chat-status"}': "0 0 1 1 2 2x20"},
        {"topic": "chat-status"},
    ),
    "NewerRecords": Case(
        {'chat4all_partitions_stopped{topic="chat-incoming", instance="a"}': "0x10 1x20"},
        {'chat4all_newer_records_total{topic="chat-incoming", instance="a"}': "4x30"},
        {"topic": "chat-incoming"},
    ),
    "SweepStopped": Case({"chat4all_sweeps_total": "500x30"}, {"chat4all_sweeps_total": "0+60x30"}),
    "NoTraffic": Case({ACCEPTED: "0+10x60 600x30"}, {ACCEPTED: "0+10x90"}, at=80),
    "AcceptSlow": Case(*ACCEPT),
    "GatewayUnavailable": Case(
        {'chat4all_requests_refused_total{reason="unavailable"}': "0+60x30"},
        {'chat4all_requests_refused_total{reason="token_invalid"}': "0+60x30"},
    ),
    "StreamBehind": Case(
        {'chat4all_stream_lag_records{instance="a"}': "0+500x30"},
        {'chat4all_stream_lag_records{instance="a"}': "900x30"},
        {"instance": "a"},
    ),
    "PresenceStuck": Case(
        {'chat4all_presence_unheard_seconds{instance="a"}': "0x5 20+60x20"},
        {'chat4all_presence_unheard_seconds{instance="a"}': "9x10 45 8x20"},
        {"instance": "a"},
    ),
    "SearchBehind": Case(
        {'chat4all_search_lag_records{instance="a"}': "9000x30"},
        {'chat4all_search_lag_records{instance="a"}': "9000x8 10x30", 'chat4all_search_building{instance="a"}': "1x8 0x30"},
        {"instance": "a"},
    ),
    "ReadersCutOff": Case(
        {'chat4all_streams_cut_off_total{transport="sse",reason="too_slow"}': "0+12x30"},
        {'chat4all_streams_cut_off_total{transport="sse",reason="token_expired"}': "0+60x30"},
        {"transport": "sse"},
    ),
    "ReadersReload": Case(
        {'chat4all_stream_reloads_total{reason="away_too_long"}': "0+2x30"},
        {'chat4all_stream_reloads_total{reason="old_cursor"}': "0+20x30"},
        {"reason": "away_too_long"},
    ),
    "RecordBuried": Case(
        {_letters("persist", "unreadable"): "_x10 1x20"},
        {_letters("deliver", "blocked"): "0+1x30", _letters("unreadable", "event"): "0+1x30"},
        {"stage": "persist", "reason": "unreadable"},
    ),
    "DeadLetters": Case(
        {_letters("deliver", "credentials"): "0+10x30"},
        {_letters("deliver", "blocked"): "0 1 2 3x30"},
        {"reason": "credentials"},
    ),
    "WebhooksUnreadable": Case(
        {_letters("unreadable", "unknown_event"): "_x10 1x20"},
        {_letters("unclaimed", "unclaimed_account"): "0+1x30", _letters("persist", "unreadable"): "0+1x30"},
        {"reason": "unknown_event"},
    ),
    "UpdatesUnclaimed": Case(
        {_letters("unclaimed", "unclaimed_account"): "0 0 1 1 2 2x20"},
        {_letters("unreadable", "message"): "0+1x30", _letters("deliver", "unclaimed_account"): "0+1x30"},
        {"reason": "unclaimed_account"},
    ),
    "BreakerOpen": Case(
        {'chat4all_breaker_open{channel="whatsapp"}': "1x30"},
        {'chat4all_breaker_open{channel="whatsapp"}': "0 1 1 0x30"},
        WHATSAPP,
    ),
    "AccountUnopened": Case(
        {'chat4all_account_unopened{channel="whatsapp"}': "1x30"},
        {'chat4all_account_unopened{channel="whatsapp"}': "0 1 1 0x30"},
        WHATSAPP,
    ),
    "AccountPausedWithMessages": Case(
        {'chat4all_account_paused{channel="whatsapp"}': "1x60", 'chat4all_retries_waiting{channel="whatsapp"}': "3x60"},
        {'chat4all_account_paused{channel="whatsapp"}': "1x60", 'chat4all_retries_waiting{channel="whatsapp"}': "0x60"},
        WHATSAPP,
    ),
    "AccountSuspended": Case(
        {'chat4all_accounts_suspended{channel="whatsapp"}': "1x30"},
        {'chat4all_accounts_suspended{channel="whatsapp"}': "0 1 1 0x30"},
        WHATSAPP,
    ),
    "AccountRefused": Case(
        {'chat4all_accounts_refused{channel="whatsapp"}': "1x30"},
        {'chat4all_accounts_refused{channel="whatsapp"}': "0 1 1 0x30"},
        WHATSAPP,
    ),
    "AccountTokenEnds": Case(
        {'chat4all_account_token_ends_seconds{channel="whatsapp"}': "800000x30"},
        {'chat4all_account_token_ends_seconds{channel="whatsapp"}': "900000x30"},
        WHATSAPP,
    ),
    "TemplatesUnread": Case(
        {'chat4all_templates_read_total{channel="whatsapp",outcome="failed"}': "0+1x60"},
        {
            'chat4all_templates_read_total{channel="whatsapp",outcome="failed"}': "0 1 1x60",
            'chat4all_templates_read_total{channel="whatsapp",outcome="read"}': "0+1x60",
        },
        WHATSAPP,
    ),
    "KeysFail": Case(
        {'chat4all_keys_failed_total{channel="whatsapp"}': "0+1x30"},
        {'chat4all_keys_failed_total{channel="whatsapp"}': "0 0 1 2 3 3x30"},
        WHATSAPP,
    ),
    "ProviderErrors": Case({SENT: "0+50x30", FAILED: "0+50x30"}, {SENT: "0+90x30", FAILED: "0+5x30"}, WHATSAPP),
    "DeliverySlow": Case(*DELIVERY, WHATSAPP),
    "LanesWithoutHolder": Case(
        {'chat4all_lanes_stuck{channel="whatsapp"}': "1x30"},
        {'chat4all_lanes_stuck{channel="whatsapp"}': "0 1 0 1 0x26"},
        WHATSAPP,
    ),
    "LanesLost": Case(
        {'chat4all_lanes_taken_over_total{channel="whatsapp"}': "0+2x30"},
        {'chat4all_lanes_taken_over_total{channel="whatsapp"}': "0 4x30"},
        WHATSAPP,
    ),
    "WebhooksBehind": Case(
        {'chat4all_webhook_oldest_seconds{instance="a"}': "0+120x30"},
        {'chat4all_webhook_oldest_seconds{instance="a"}': "0+120x12 0x18"},
        at=25,
    ),
    "WebhooksSealed": Case(
        {'chat4all_webhook_endpoints_sealed{instance="a"}': "0x5 1x25"},
        {
            'chat4all_webhook_endpoints_sealed{instance="a"}': "0 1 0x28",
            'chat4all_webhook_endpoints_waiting{instance="a"}': "3x30",
        },
    ),
    "WebhooksDisabled": Case(
        {'chat4all_webhooks_disabled_total{reason="gone", instance="a"}': "_x10 1x20"},
        {'chat4all_webhooks_disabled_total{reason="gone", instance="a"}': "0x30"},
        {"reason": "gone"},
    ),
    "WebhookEventsGivenUp": Case(
        {'chat4all_webhook_events_given_up_total{instance="a"}': "_x10 1x20"},
        {'chat4all_webhook_calls_total{outcome="5xx", instance="a"}': "0+9x30"},
    ),
    "WebhookEventsLost": Case(
        {'chat4all_webhook_events_lost_total{instance="a"}': "0x10 200x20"},
        {'chat4all_webhook_events_lost_total{instance="a"}': "0x30"},
    ),
    "LogErrors": Case(*_failures("log")),
    "StoreErrors": Case(*_failures("store")),
    "ObjectErrors": Case(*_failures("objects")),
    "BrokerErrors": Case({"chat4all_broker_failures_total": "0+60x30"}, {"chat4all_broker_failures_total": "0 3x30"}),
    "ConnectionsCut": Case(
        {'chat4all_connections_cut_total{why="too_many"}': "0+100x30"},
        {
            'chat4all_connections_cut_total{why="too_many"}': "0+2x30",
            'chat4all_connections_cut_total{why="head_late"}': "0+900x30",
        },
        {"why": "too_many"},
    ),
    "LoginsRefused": Case(
        {'chat4all_logins_refused_total{reason="bad_credentials"}': "0+60x30"},
        {
            'chat4all_logins_refused_total{reason="bad_credentials"}': "0+5x30",
            'chat4all_logins_refused_total{reason="token_expired"}': "0+500x30",
        },
        {"reason": "bad_credentials"},
    ),
    "TokenReused": Case(
        {'chat4all_logins_refused_total{reason="token_reused"}': "0x15 1x15"},
        {'chat4all_logins_refused_total{reason="token_reused"}': "3x30"},
    ),
    "RevocationsUnread": Case(
        {'chat4all_revocations_unread_total{instance="a"}': "0+60x30"},
        {'chat4all_revocations_unread_total{instance="a"}': "0 3x30"},
        {"instance": "a"},
    ),
    "AccountsUnread": Case(
        {'chat4all_accounts_unread_total{instance="a"}': "0+60x30"},
        {'chat4all_accounts_unread_total{instance="a"}': "0 3x30"},
        {"instance": "a"},
    ),
    "FetchesRefused": Case(
        {'chat4all_fetches_refused_total{channel="messenger", why="not_public"}': "0x15 1x15"},
        {'chat4all_fetches_refused_total{channel="messenger", why="not_public"}': "3x30"},
        {"channel": "messenger", "why": "not_public"},
    ),
    "ConversionsFail": Case(
        {'chat4all_conversions_total{form="voice", outcome="conversion_unreadable"}': "0+1x30"},
        {
            'chat4all_conversions_total{form="voice", outcome="conversion_unreadable"}': "0+1x30",
            'chat4all_conversions_total{form="voice", outcome="made"}': "0+1x30",
        },
        {},
    ),
    "ProviderUploadsFail": Case(
        {'chat4all_provider_uploads_total{channel="whatsapp", outcome="failed"}': "0+2x30"},
        {
            'chat4all_provider_uploads_total{channel="whatsapp", outcome="failed"}': "0+2x30",
            'chat4all_provider_uploads_total{channel="whatsapp", outcome="uploaded"}': "0+1x30",
        },
        WHATSAPP,
    ),
    "ProcessDown": Case(
        {'up{job="bridge", instance="a"}': "1 1 0x30"},
        {'up{job="bridge", instance="a"}': "1x30"},
        {"job": "bridge", "instance": "a"},
    ),
    "ProcessRestarts": Case(
        {'process_start_time_seconds{job="bridge"}': "0+120x30"},
        {'process_start_time_seconds{job="bridge"}': "1 1 9 9x30"},
        {"job": "bridge"},
    ),
    "DiskNearlyFull": Case(
        {'chat4all_disk_free_bytes{instance="a"}': "1000000000x30"},
        {'chat4all_disk_free_bytes{instance="a"}': "9000000000x30"},
        {"instance": "a"},
    ),
    "DiskFills": Case(
        {'chat4all_disk_free_bytes{instance="a"}': "90000000000-100000000x90"},
        {'chat4all_disk_free_bytes{instance="a"}': "90000000000-1000000x90"},
        {"instance": "a"},
        at=80,
    ),
    "BroadcastStandsStill": Case(
        {'chat4all_broadcast_stalled_seconds{instance="a"}': "0 100+60x20"},
        {'chat4all_broadcast_stalled_seconds{instance="a"}': "0 100 200 0x18"},
        at=15,
    ),
    "HeldTooLong": Case(
        {'chat4all_held_oldest_seconds{channel="whatsapp"}': "0 612000+60x90"},
        {'chat4all_held_oldest_seconds{channel="whatsapp"}': "604000+60x90"},
        at=80,
    ),
    "RemindersBehind": Case(
        {'chat4all_reminders_behind_seconds{instance="a"}': "0 100+60x20"},
        {'chat4all_reminders_behind_seconds{instance="a"}': "0 100 200 0x18"},
        at=15,
    ),
    "RowsNotForgotten": Case(
        {'chat4all_retiring_behind_seconds{instance="a"}': "0 250000+60x160"},
        {'chat4all_retiring_behind_seconds{instance="a"}': "100000+60x160"},
        at=150,
    ),
    "ScheduledMessagesLate": Case(
        {'chat4all_deferred_records_late_seconds{instance="a",kind="scheduled"}': "0 70+60x30"},
        {
            'chat4all_deferred_records_late_seconds{instance="a",kind="scheduled"}': "50x30",
            'chat4all_deferred_records_late_seconds{instance="a",kind="leg"}': "500x30",
        },
    ),
    "UpdatesWaitTooLong": Case(
        {'chat4all_deferred_behind_seconds{instance="a"}': "0 130+60x30"},
        {'chat4all_deferred_behind_seconds{instance="a"}': "100x30"},
    ),
}
