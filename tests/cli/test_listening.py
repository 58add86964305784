"""`chat4all listen`: what a webhook would bring, brought to this machine over the stream."""

import json
import threading
from collections.abc import Iterator

import pytest
from standardwebhooks import Webhook

from chat4all.services.access import tokens
from chat4all.services.access.credentials import create_client
from tests.bridges.road import Road
from tests.cli.commands import Typed
from tests.cli.test_people import road, settings, typed
from tests.tasks.webhook_world import Receiver, receiving

__all__ = ["road", "settings", "typed"]
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as made:
        yield made


@pytest.fixture
def talking(typed: Typed, road: Road) -> Iterator[str]:
    """Bob says something again and again; a token that may hear all."""
    typed.fine("register", "bob")
    create_client(road.store, "crm", ["manage"])
    talk, over = road.conversation("talk", "alice", "bob"), threading.Event()

    def say() -> None:
        while not over.wait(0.2):
            road.say(talk, "hello", sender="bob")

    thread = threading.Thread(target=say)
    thread.start()
    yield tokens.issue(road.store.users(["crm"])["crm"], tokens.ACCESS, 60, road.settings.secret("jwt"))
    over.set()
    thread.join()


def test_events_are_forwarded_signed_and_in_order(typed: Typed, talking: str, receiver: Receiver) -> None:
    """With the secret that was given; whoever answers no success is told no less, and of another type nothing is sent."""
    receiver.answers["/hook"] = lambda _: (500, {})
    command = ("--token", talking, "listen", "--forward", f"{receiver.url}/hook", "--count", "3")
    lines = typed.fine(*command, "--secret", SECRET, "--event", "message.accepted").splitlines()
    assert [line.split("  ")[0] for line in lines] == ["message.accepted"] * 3
    assert [line.split("  ")[2] for line in lines] == ["500"] * 3
    seqs = [said["seq"] for _, said in receiver.calls]
    assert seqs == sorted(set(seqs))
    for body, headers in zip(receiver.bodies, receiver.headers, strict=True):
        assert Webhook(SECRET).verify(body, dict(headers))["type"] == "message.accepted"


def test_what_came_together_goes_in_one_request(typed: Typed, talking: str, receiver: Receiver) -> None:
    """As to an endpoint that agreed to batches; each event has its line, and the whole is signed."""
    command = ("--token", talking, "listen", "--forward", f"{receiver.url}/hook", "--count", "4", "--batch", "2")
    lines = typed.fine(*command, "--secret", SECRET, "--event", "message.accepted").splitlines()
    assert len(lines) == 4
    told = [each for _, said in receiver.calls for each in (said["data"].get("events") or [said])]
    assert [each["id"] for each in told] == [line.split("  ")[1] for line in lines]
    for body, headers in zip(receiver.bodies, receiver.headers, strict=True):
        Webhook(SECRET).verify(body, dict(headers))


def test_a_secret_is_made_and_printed(typed: Typed, talking: str, receiver: Receiver) -> None:
    """And it is that with which the calls verify; an endpoint that is not there is said."""
    command = ("--token", talking, "listen", "--count", "1", "--forward")
    printed, line = typed.fine(*command, f"{receiver.url}/hook").splitlines()
    assert line.endswith("  200")
    Webhook(json.loads(printed)["secret"]).verify(receiver.bodies[0], dict(receiver.headers[0]))
    assert typed.fine(*command, "http://127.0.0.1:9/hook").splitlines()[1].endswith("ConnectionError")


@pytest.mark.parametrize("wrong", [("--secret", "whsec_short"), ("--secret", "x"), ("--event", "message.sent")])
def test_what_cannot_be_is_refused(typed: Typed, wrong: tuple[str, str]) -> None:
    """Before anything is sent, with the name of what is wrong."""
    status, _, err = typed("listen", "--forward", "http://127.0.0.1:9/", *wrong)
    assert status == 2
    assert wrong[0] in err
