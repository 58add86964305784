"""`celery -A tasks.app replay`: what operators type, what is written and what is not, with Celery's own command line too."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from celery import Celery
from click.testing import CliRunner, Result
from msgspec import structs

from chat4all.channels import open_channel
from chat4all.cli.replay import replay
from chat4all.model.deliveries import DeliveryKey, Facts, Lane
from chat4all.model.messages import Recipient
from chat4all.model.records import INCOMING, STATUS, NewRecord, incoming_record
from chat4all.root import ROOT
from chat4all.services.acceptance.acceptance import Acceptor
from chat4all.services.inbound.intake import Arrivals
from chat4all.services.inbound.webhooks import Webhooks
from tasks.lanes.runner import LaneRunner
from tests.channels import payloads
from tests.tasks.declared import declared
from tests.tasks.test_attempt import Fake
from tests.tasks.world import World, message, new_id, whatsapp, world

TALK = new_id("conversation", 1)
FAILED = Facts(attempts=1, refusals=1, refused_at=5, refused_reason="undeliverable")


@pytest.fixture
def road(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """A system in a folder that commands find by the environment."""
    monkeypatch.setenv("CHAT4ALL_DATA", str(tmp_path))
    monkeypatch.setenv("CHAT4ALL_PARTITIONS", "1")
    with world(tmp_path, partitions=1, linger_ms=50) as made:
        made.know(*map(whatsapp, range(9)))
        yield made


def failed(road: World, count: int) -> list[DeliveryKey]:
    """Deliveries that FAILED, of one message each, with their dead letters."""
    road.say(*[message(TALK, n, "their words", to=[Recipient("bob", "whatsapp")]) for n in range(count)])
    road.run()
    road.know(Recipient("bob", "whatsapp", "+5511999999999"))
    return [row.key for row in road.rows()]


def typed(*words: str, app: Celery | None = None) -> Result:
    """Celery gives its commands the application; only `log` asks for it."""
    return CliRunner().invoke(replay, words, obj=SimpleNamespace(app=app))


@pytest.fixture
def celery_app() -> Iterator[Celery]:
    """The workers' application, on a broker in this process."""
    app = declared()
    app.conf.broker_url = "memory://"
    yield app
    handed_out(app)
    app.close()


def handed_out(app: Celery) -> list[tuple[str, str]]:
    """The tasks that wait in the broker, and what they say they are about. They are taken out."""
    found = []
    with app.connection_for_read() as connection, connection.SimpleQueue("pipeline") as queue:
        while queue.qsize():
            waiting = queue.get_nowait()
            waiting.ack()
            following = [step["task"] for step in waiting.payload[2]["chain"] or ()]
            found.append((" ".join([waiting.headers["task"], *following]), waiting.headers["argsrepr"]))
    return found


def appended(road: World) -> int:
    return road.log.ends(INCOMING)[0][1]


def celery(*words: str) -> "subprocess.CompletedProcess[str]":
    """A real process, without a terminal."""
    command = [str(Path(sys.executable).with_name("celery")), "-A", "tasks.app", "replay", *words]
    return subprocess.run(command, cwd=ROOT, env=os.environ, capture_output=True, text=True, timeout=60, check=False)


def test_celery_has_the_command_and_it_works_in_a_process_of_its_own(road: World) -> None:
    """From the repository's root, as documented: looks first, then sends again, and follows until its time is over."""
    (key,) = failed(road, 1)
    looked = celery("delivery", str(key), "--dry-run")
    assert (looked.returncode, looked.stdout.splitlines()[0]) == (0, f"{key}: FAILED no_identity, would be sent again")
    assert appended(road) == 1
    sent = celery("delivery", str(key), "--wait", "0.2")
    assert (sent.returncode, appended(road)) == (0, 2)
    assert sent.stdout.splitlines()[-2:] == [f"{key}: ACCEPTED", "still on their way, which they go by themselves: 1"]
    assert sent.stderr == ""


def test_a_dry_run_writes_nothing(road: World, celery_app: Celery) -> None:
    """Of any command: neither log nor store nor broker hears of it."""
    (key,) = failed(road, 1)
    road.log.append([NewRecord(INCOMING, 0, TALK, b"\xff")], 5)
    said = message(TALK, 7, to=[whatsapp(1)])
    road.say(said)
    road.run()
    before = (road.rows(), road.store.lanes(), appended(road), road.log.ends(STATUS))
    for words in (
        ["delivery", str(key)],
        ["message", message(TALK, 0).message_id],
        ["message", said.message_id, "--force", "--replay-id", "x"],
        ["dead-letters"],
        ["log", "chat-incoming:0:0-2"],
    ):
        result = typed(*words, "--dry-run", app=celery_app)
        assert (result.exit_code, "would be" in result.output) == (0, True), result.output
    assert handed_out(celery_app) == []
    assert (road.rows(), road.store.lanes(), appended(road), road.log.ends(STATUS)) == before


def test_progress_is_followed_until_it_is_delivered(road: World) -> None:
    """The command ends when the lane has sent, and says so; it shows no words and no addresses."""
    keys, results = failed(road, 3), []
    thread = threading.Thread(target=lambda: results.append(typed("dead-letters", "--wait", "60")))
    thread.start()
    wait_for(lambda: appended(road) == 6)
    road.run()
    channel = Fake()
    runner = LaneRunner(road.parts, lambda *_: channel)
    runner.start()
    runner.wake(Lane("whatsapp", 0))
    thread.join(60)
    runner.stop()
    (result,) = results
    assert [f"{key}: SENT" for key in keys] == result.output.splitlines()[-3:]
    assert len(channel.arrived) == 3
    assert not any(secret in result.output for secret in ("their words", "+5511"))


def wait_for(condition: Callable[[], bool], seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come true"
        time.sleep(0.01)


def test_filters_choose_among_the_dead_letters(road: World) -> None:
    """Channel, reason and time; records that were set aside are named and left."""
    (key,) = failed(road, 1)
    road.log.append([NewRecord(INCOMING, 0, TALK, b"\xff")], 5)
    road.run()
    for words in (["--channel", "telegram"], ["--reason", "expired"], ["--until", "1h"], ["--since", "2099-01-01"]):
        result = typed("dead-letters", *words)
        assert (result.exit_code, result.output) == (0, "deliveries that are sent again: 0\n")
    result = typed("dead-letters", "--wait", "0")
    assert result.output.splitlines() == [
        "chat-incoming:0:1: left, set aside by persist, unreadable; see `replay record`",
        f"{key}: FAILED no_identity, is sent again",
        "deliveries that are sent again: 1",
    ]


def test_a_limit_stops_and_the_next_run_goes_on(road: World) -> None:
    """Each delivery once, over as many runs as it takes, with the stages at work in between."""
    failed(road, 5)
    for expected in (2, 2, 1, 0):
        result = typed("dead-letters", "--limit", "2", "--wait", "0")
        assert f"deliveries that are sent again: {expected}" in result.output
        road.run()
    assert appended(road) == 10


def test_what_is_typed_wrong_is_said_in_a_line(road: World) -> None:
    """Status 2 for words, 1 for wishes that cannot be granted; no traceback, and nothing is written."""
    failed(road, 1)
    before = appended(road)
    for status, why, words in (
        (2, "--force needs --replay-id", ["message", message(TALK, 0).message_id, "--force"]),
        (2, "channel:partition:seq:index", ["delivery", "whatsapp"]),
        (2, "--since", ["dead-letters", "--since", "yesterday"]),
        (1, "unknown_message", ["message", new_id("nobody")]),
        (1, "not_set_aside", ["record", "chat-incoming:0:0"]),
        (1, "bad_place", ["log", "chat-incoming"]),
        (1, "not_done_yet", ["log", "chat-incoming:0:0-99"]),
    ):
        result = typed(*words)
        assert (result.exit_code, why in result.output, "Traceback" in result.output) == (status, True, False), result.output
    assert appended(road) == before


def test_a_range_is_handed_out_by_reference(road: World, celery_app: Celery) -> None:
    """What Celery is given says that it is a replay."""
    failed(road, 2)
    result = typed("log", "chat-incoming:0:0-1", "--stage", "fan_out", app=celery_app)
    assert handed_out(celery_app) == [("fan_out", "(chat-incoming 0:0-1 run 0 replay)")]
    assert typed("log", "chat-incoming:0:0-1", app=celery_app).exit_code == 0
    assert handed_out(celery_app) == [("persist fan_out", "(chat-incoming 0:0-1 run 0 replay)")]
    assert "chat-incoming 0:0-1 run 0 replay" in result.output


def test_a_broker_that_is_away_is_said(road: World) -> None:
    """No traceback: the range can be handed out later."""
    failed(road, 1)
    away = declared()
    away.conf.broker_url = "redis://127.0.0.1:1/0"
    result = typed("log", "chat-incoming:0:0", app=away)
    assert (result.exit_code, "the broker does not answer" in result.output) == (1, True), result.output


def test_kept_webhooks_are_taken_again(road: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """By their letters or by stage: once the account is ours the message arrives, however often it is asked for."""
    body, _ = payloads.webhook("whatsapp", "another_account")
    channel = open_channel("whatsapp", road.parts.settings)
    taker = Webhooks(
        road.store, Arrivals(road.store, Acceptor(road.store, road.log, road.parts.settings, {"whatsapp": channel}))
    )
    taker.take(channel, [body, b"no webhook"])
    before = appended(road)
    said = typed("webhooks", "--stage", "unclaimed")
    assert "messages 0" in said.output
    assert "not our account: 100000000000999" in said.output
    assert "not a webhook" in typed("webhooks", "--stage", "unreadable").output
    assert "see `replay webhooks`" in typed("dead-letters").output
    monkeypatch.setenv("WHATSAPP_PHONE_NUMBER_ID", "100000000000999")
    assert "messages 1, receipts 0 would be taken" in typed("webhooks", "--stage", "unclaimed", "--dry-run").output
    assert appended(road) == before
    for _ in range(2):
        assert "messages 1, receipts 0 are taken" in typed("webhooks", "--stage", "unclaimed").output
    road.run()
    assert typed("webhooks", "nothing").output == "nothing: left, no webhook is kept under this id\n"
    assert typed("webhooks").exit_code == 2


def test_a_record_of_newer_code_is_set_aside(road: World) -> None:
    """One that waits for an upgrade; any other is refused in a line."""
    road.say(message(TALK, 1, "their words"))
    record = incoming_record(message(TALK, 2, "their words"), 1, {})
    road.log.append([structs.replace(record, headers=record.headers | {"v": "99"})], 5)
    assert "can be read" in typed("set-aside", "chat-incoming:0:0").output
    assert "set aside" in typed("set-aside", "chat-incoming:0:1").output
    assert [each.reason for each in road.store.buried(INCOMING, road.everything().ranges).values()] == ["newer_record"]
