"""Every declared metric is shown by the processes that say so, and moves when what it counts happens."""

import re
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import requests

from chat4all.model.conversations import User, UserKind
from chat4all.services.access import tokens
from chat4all.telemetry import metrics
from chat4all.telemetry.instruments import DECLARED
from ops.harness.guard import refuse_real
from ops.harness.readers import Readers
from ops.harness.system import System
from ops.harness.waiting import wait_until
from ops.simulator.model import Arrival
from ops.simulator.providers import open_providers
from tests.end_to_end.scraping import Scraper

QUICK = {
    "CHAT4ALL_BACKOFF_FIRST_S": "0.2",
    "CHAT4ALL_BACKOFF_MOST_S": "1",
    "CHAT4ALL_UNKNOWN_GRACE_S": "1",
    "CHAT4ALL_BREAKER_FAILURES": "3",
    "CHAT4ALL_BREAKER_PROBE_S": "1",
    "CHAT4ALL_LEASE_S": "2",
    "CHAT4ALL_BATCH_RESEND_S": "1",
    "CHAT4ALL_OPEN_REGISTRATION": "true",
}
# They need a day, a newer release, a wrong setting, or a broken log, store or record. Here is who moves them instead.
ELSEWHERE = {
    "chat4all_receipts_expired_total": "tasks/test_delivery_metrics.py",
    "chat4all_rows_expired_total": "tasks/test_delivery_metrics.py",
    "chat4all_retiring_behind_seconds": "tasks/test_delivery_metrics.py",
    "chat4all_stage_failures_total": "tasks/test_delivery_metrics.py",
    "chat4all_call_failures_total": "storage/test_timing.py",
    "chat4all_read_failures_total": "tasks/test_delivery_metrics.py",
    "chat4all_connections_cut_total": "webapp/slow_app.py",
    "chat4all_fetches_refused_total": "tasks/test_files.py",
    "chat4all_link_previews_total": "webapp/test_link_previews.py",
    "chat4all_stream_lag_records": "bridges/test_feed.py",
    "chat4all_conversions_total": "tasks/test_conversions.py",
    "chat4all_conversion_seconds": "tasks/test_conversions.py",
    "chat4all_conversations_opened_total": "tasks/test_reminders.py",
    "chat4all_broadcast_turns_total": "tasks/test_broadcasts.py",
    "chat4all_deliveries_priced_total": "tasks/test_delivery_metrics.py",
    "chat4all_templates_read_total": "tasks/test_templates.py",
    "chat4all_broadcast_stalled_seconds": "tasks/test_broadcasts.py",
    "chat4all_reminders_behind_seconds": "tasks/test_reminders.py",
    "chat4all_deferred_updates_total": "tasks/test_waiting_updates.py",
    "chat4all_deferred_ended_total": "tasks/test_waiting_updates.py",
    "chat4all_deferred_behind_seconds": "tasks/test_waiting_updates.py",
    "chat4all_held_keys": "tasks/test_holds.py",
    "chat4all_held_oldest_seconds": "tasks/test_holds.py",
    "chat4all_deferred_records_total": "tasks/test_deferred_records.py",
    "chat4all_route_legs_total": "tasks/test_routes.py",
    "chat4all_late_resends_total": "tasks/test_late_failures.py",
    "chat4all_deferred_records_late_seconds": "tasks/test_deferred_records.py",
    "chat4all_deferred_records_waiting": "tasks/test_deferred_records.py",
    "chat4all_account_unopened": "tasks/test_runner.py",
    "chat4all_account_paused": "tasks/test_runner.py",
    "chat4all_accounts_suspended": "tasks/test_account_care.py",
    "chat4all_accounts_refused": "tasks/test_account_care.py",
    "chat4all_account_token_ends_seconds": "tasks/test_account_care.py",
    "chat4all_accounts_unread_total": "webapp/test_accounts.py",
    "chat4all_webhook_passing_dropped_total": "tasks/test_webhook_passing.py",
    "chat4all_webhook_calls_total": "tasks/test_webhook_metrics.py",
    "chat4all_webhook_call_seconds": "tasks/test_webhook_metrics.py",
    "chat4all_webhook_oldest_seconds": "tasks/test_webhook_metrics.py",
    "chat4all_webhook_endpoints_waiting": "tasks/test_webhook_metrics.py",
    "chat4all_webhook_endpoints_sealed": "tasks/test_webhook_metrics.py",
    "chat4all_webhooks_disabled_total": "tasks/test_webhook_metrics.py",
    "chat4all_webhook_events_given_up_total": "tasks/test_webhook_metrics.py",
    "chat4all_webhook_events_lost_total": "tasks/test_webhook_metrics.py",
    "chat4all_keys_failed_total": "tasks/test_lane.py",
    "chat4all_newer_records_total": "tasks/test_newer.py",
    "chat4all_partitions_stopped": "bridges/test_newer.py",
    "chat4all_revocations_unread_total": "bridges/test_access.py",
    "chat4all_stream_reloads_total": "bridges/test_resume.py",
    "chat4all_presence_unheard_seconds": "bridges/test_signal_feed.py",
    "chat4all_search_lag_records": "bridges/test_indexer.py",
    "chat4all_search_messages": "bridges/test_indexer.py",
    "chat4all_search_building": "bridges/test_indexer.py",
    "chat4all_search_seconds": "webapp/test_search.py",
}
PEOPLE = {
    "whatsapp": "+5511987650001",
    "instagram": "98765000000000002",
    "messenger": "98765000000000003",
    "telegram": "9876500004",
}
PATIENT = "whatsapp:+5511987650005"
UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
PATIENCE_S = 40.0


@pytest.fixture
def system(tmp_path: Path) -> Iterator[System]:
    """Everything running, impatient, on the embedded parts."""
    own = System(tmp_path / "data", QUICK)
    refuse_real(own.settings)
    with own:
        yield own


class Life:
    """What happens in this system."""

    def __init__(self, system: System, scraper: Scraper) -> None:
        self.system, self.scraper, self.operator = system, scraper, system.operator()
        self.alice, self.bob = system.register("alice-m"), system.register("bob-m")
        self.talk = self.alice.private("alice-m", "bob-m")

    def close(self) -> None:
        """Let go of all connections."""
        for api in (self.operator, self.alice, self.bob):
            api.close()

    def to(self, channel: str, text: str = "hello", address: str = "") -> str:
        """Somebody hears from alice; the message's id."""
        body = {"from": "alice-m", "to": [address or f"{channel}:{PEOPLE[channel]}"], "payload": {"type": "text", "text": text}}
        return str(self.operator.send(body)["message_id"])

    def state(self, message_id: str) -> str:
        """How far that has come."""
        _, found = self.operator.request("GET", f"/v1/messages/{message_id}")
        return str((found.get("deliveries") or [{}])[0].get("status", ""))

    def until(self, message_id: str, *states: str) -> None:
        """Wait for that."""
        wait_until(f"it is {states}", lambda: self.state(message_id) in states, PATIENCE_S)


def everyday(life: Life) -> None:
    """People talk, on every channel; a file; something said twice, by somebody unknown, and by nobody."""
    for number in range(5):
        life.alice.send({"conversation_id": life.talk, "payload": {"type": "text", "text": f"hello {number}"}})
    again = {"message_id": str(uuid4()), "conversation_id": life.talk, "payload": {"type": "text", "text": "twice"}}
    life.alice.send_batch([again])
    life.alice.send_batch([again])
    assert life.alice.request("POST", "/v1/messages", again | {"conversation_id": str(uuid4())})[0] == 404
    with closing(life.system.api()) as nobody:
        assert nobody.request("GET", "/v1/users/me")[0] == 401
        assert nobody.request("POST", "/auth/token", {"client_id": "alice-m", "client_secret": "a guess"})[0] == 401
    unheard_of(life)
    sent = [life.to(channel) for channel in PEOPLE for _ in range(3)]
    life.system.phones.write("whatsapp", PEOPLE["whatsapp"], "hello back")
    talk, file = a_file(life)
    for each in (*sent, file):
        life.until(each, "SENT", "DELIVERED", "READ")
    life.alice.call("POST", f"/v1/conversations/{talk}/typing")


def a_file(life: Life) -> tuple[str, str]:
    """Alice sends a file to somebody on WhatsApp; the ids of their conversation and of the message."""
    members = {"type": "private", "members": ["alice-m", f"whatsapp:{PEOPLE['whatsapp']}"]}
    talk = str(life.operator.call("POST", "/v1/conversations", members)["conversation_id"])
    url = f"{life.system.settings.gateway_url}/v1/files"
    form: Any = {"conversation_id": (None, talk), "file": ("tea.txt", b"tea" * 100, "text/plain")}
    answer = requests.post(url, files=form, headers={"Authorization": f"Bearer {life.alice.token}"}, timeout=10)
    answer.raise_for_status()
    payload = {"type": "media", "file_id": answer.json()["file_id"]}
    return talk, str(life.alice.send({"conversation_id": talk, "payload": payload})["message_id"])


def unheard_of(life: Life) -> None:
    """Instagram reports about a message that nobody sent, or that we do not know of yet."""
    provider = open_providers(life.system.settings)["instagram"]
    now = int(time.time() * 1000)
    unknown = Arrival("instagram", provider.account, PEOPLE["instagram"], f"mid.{uuid4().hex}", "hello", now)
    body = provider.webhook([provider.receipt(unknown, "read", now, 0)])
    headers = {"Content-Type": "application/json", **provider.signature(body)}
    url = f"{life.system.settings.gateway_url}/channels/instagram/webhook"
    requests.post(url, body, headers=headers, timeout=10).raise_for_status()


def troubles(life: Life) -> None:
    """A provider throttles, refuses for ever, is broken for a while, and loses an answer."""
    phones = life.system.phones
    rules = [
        {"status": 429, "code": 130429, "match": "too fast", "times": 2, "retry_after": 0.2},
        {"status": 429, "code": 130429, "match": "much later", "times": 1, "retry_after": 15},
        {"status": 400, "code": 131026, "match": "to nobody"},
    ]
    phones.behave("whatsapp", rules=rules)
    waiting = life.to("whatsapp", "much later", PATIENT)
    life.until(life.to("whatsapp", "too fast"), "SENT", "DELIVERED", "READ")
    life.until(life.to("whatsapp", "to nobody"), "FAILED")
    phones.behave("telegram", rules=[{"status": 500, "code": 500, "times": 5}])
    life.until(life.to("telegram", "while it is broken"), "SENT")
    # Telegram alone tells nothing of a send whose answer was lost: it is made again.
    phones.behave("telegram", drop_response_rate=1.0)
    lost = life.to("telegram", "lost")
    wait_until("it was sent", lambda: any(each["text"] == "lost" for each in phones.sent("telegram")), PATIENCE_S)
    phones.behave("telegram")
    life.until(lost, "SENT")
    life.until(waiting, "SENT", "DELIVERED", "READ")


def standstills(life: Life) -> None:
    """A worker freezes in the middle of its work, another while a batch comes; the broker is away for a moment."""
    system = life.system
    system.phones.behave("whatsapp", delay_ms=700)
    sent = [life.to("whatsapp", f"slow {number}") for number in range(10)]
    wait_until("the first was sent", lambda: any("slow" in each["text"] for each in system.phones.sent("whatsapp")), PATIENCE_S)
    wait_until("a call under way is shown", lambda: "chat4all_sends_in_flight" in life.scraper.moved, PATIENCE_S)
    with frozen(system, "worker-channels"):
        time.sleep(system.settings.lease_s + 0.5)
    system.phones.behave("whatsapp")
    with frozen(system, "worker-pipeline"):
        sent.append(life.to("whatsapp", "meanwhile"))
        time.sleep(system.settings.batch_resend_s + 1.0)
    for each in sent:
        life.until(each, "SENT", "DELIVERED", "READ")
    system.halt("redis")
    sent.append(life.to("whatsapp", "without a broker"))
    time.sleep(3)
    system.go_on("redis")
    life.until(sent[-1], "SENT", "DELIVERED", "READ")


@contextmanager
def frozen(system: System, part: str) -> Iterator[None]:
    """The part stands still inside."""
    system.freeze(part)
    try:
        yield
    finally:
        system.thaw(part)


def listen(system: System, token: str) -> None:
    """Read Server-Sent Events until they end."""
    url = f"http://{system.settings.host}:{system.settings.events_port}/v1/events"
    with requests.get(url, headers={"Authorization": f"Bearer {token}"}, stream=True, timeout=60) as answer:
        try:
            for _ in answer.iter_lines():
                pass
        except requests.RequestException:
            return


def short_token(system: System) -> str:
    """A token that soon ends."""
    return tokens.issue(User("alice-m", UserKind.PERSON, 0), tokens.ACCESS, 8, system.settings.secret("jwt"))


@pytest.mark.end_to_end
@pytest.mark.timeout(280)
def test_every_metric_is_shown_where_it_says_and_moves(system: System) -> None:
    """An eventful life moves all declared metrics, in the processes that they name, and no label tells of anybody."""
    scraper = Scraper(system)
    reading = threading.Thread(target=listen, args=(system, short_token(system)))
    with closing(Life(system, scraper)) as life, scraper, Readers({"bob-m": life.bob.token}, system.stream_target):
        reading.start()
        everyday(life)
        troubles(life)
        standstills(life)
        try:
            wait_until("all has moved", lambda: not _still(scraper), PATIENCE_S, 1.0)
        except TimeoutError:
            raise AssertionError(f"never moved: {sorted(_still(scraper))}") from None
    reading.join(10)
    misplaced = {
        name: processes - set(DECLARED[name].where)
        for name, processes in scraper.moved.items()
        if name in DECLARED and DECLARED[name].where
    }
    assert not {name: processes for name, processes in misplaced.items() if processes}
    everywhere = {metrics.GATEWAY, metrics.STREAM, metrics.BRIDGE, metrics.PIPELINE, metrics.CHANNELS, metrics.OBJECTS, "beat"}
    assert scraper.moved["process_cpu_seconds_total"] >= everywhere
    told = {value for name, value in scraper.labels if name != "le"}
    assert not [value for value in told if UUID.search(value) or value in ("alice-m", "bob-m", *PEOPLE.values())]
    undeclared = {name for name in scraper.shown if not name.startswith(("flask_", "python_"))} - DECLARED.keys()
    assert not undeclared


def _still(scraper: Scraper) -> set[str]:
    return DECLARED.keys() - ELSEWHERE.keys() - scraper.moved.keys()
