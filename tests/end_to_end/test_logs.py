"""The logs of all processes over a run with everything that is private in it."""

import json
from collections.abc import Iterator
from uuid import uuid4

import pytest

from chat4all.channels import CHANNELS
from ops.harness.readers import Readers
from ops.harness.system import System
from ops.harness.waiting import wait_until
from tests.end_to_end.mixture import Feed, Mixture, Outcome, trouble

MESSAGES = 150
TALKS = 22
PASSWORD = "a-password-that-nobody-knows"
WRONG = "a-wrong-password-for-sure"
WORDS = "words-between-two-people"
ADDRESS = "+5521987654321"
# Others write as they like: Redis, the supervisor and the simulator's page are no processes of ours.
OURS = ("gateway", "stream", "bridge", "worker-pipeline", "worker-channels", "polling", "beat")
NAMES = {"@timestamp", "severity_text", "event_name", "scope.name", "service.name", "process"}


def lines(system: System) -> Iterator[tuple[str, str]]:
    """(file, line) of everything that was logged. What `chat4all run` prints on the terminal is no log: it tells whom to be."""
    for path in (system.settings.data / "logs").iterdir():
        yield from ((path.name, line) for line in path.read_text(errors="replace").splitlines() if line.strip())


@pytest.mark.end_to_end
@pytest.mark.timeout(400)
def test_no_log_says_anything_private(system: System) -> None:
    """Words, addresses, passwords, tokens and secrets go through every process, and through everything that can go wrong
    with them; no line of any log has one, and every line of ours is JSON with the names that collectors know.
    """
    for channel in CHANNELS:
        system.phones.behave(channel, **trouble(channel))
    ursula = system.register("ursula", PASSWORD)
    ursula.close()
    with Mixture(system, TALKS) as mixture, Readers(mixture.tokens, system.stream_target) as readers:
        feed = Feed(mixture, MESSAGES)
        feed.send()
        _mishaps(system, mixture)
        system.kill9("worker-channels")
        outcome = Outcome(feed, readers)
        wait_until("everything arrived", lambda: outcome.missing() == 0, 120, between_s=1)
        tokens = [ursula.token, mixture.operator.token, *mixture.tokens.values()]
        said = [each.text for each in feed.said]
        addresses = [each.partition(":")[2].lstrip("+") for talk in mixture.talks for each in talk.addresses]
    secrets = [each.read_text() for each in (system.settings.data / "secrets").glob("*")]
    demo = json.loads((system.settings.data / "demo.json").read_text())
    private = {
        PASSWORD,
        WRONG,
        WORDS,
        ADDRESS.lstrip("+"),
        "horse battery",
        *demo.values(),
        *secrets,
        *tokens,
        *said,
        *addresses,
    }
    logged = list(lines(system))
    told = [(name, each) for name, line in logged for each in private if each in line]
    assert told == []
    ours = [(name, line) for name, line in logged if name.partition(".log")[0] in OURS]
    assert {name.partition(".log")[0] for name, _ in ours} >= {"gateway", "stream", "bridge", "worker-channels"}
    odd = [(name, line[:200]) for name, line in ours if not line.startswith("{") or not json.loads(line).keys() >= NAMES]
    assert odd == []
    handled = [each for _, line in ours if (each := json.loads(line))["event_name"] == "attempt_failed"]
    assert handled
    assert all(each["trace_id"] and each["message_id"] and each["conversation_id"] for each in handled)


def _mishaps(system: System, mixture: Mixture) -> None:
    """What people and providers get wrong."""
    stranger = system.api()
    credentials = {"client_id": "ursula", "client_secret": WRONG}
    assert stranger.request("POST", "/auth/token", credentials)[0] == 401
    assert stranger.request("POST", "/v1/users", {"user_id": "x", "password": WRONG, "odd": WORDS})[0] in (400, 422)
    stranger.token = f"{mixture.operator.token}x"
    assert stranger.request("GET", "/v1/conversations")[0] == 401
    stranger.token = ""
    operator = mixture.operator
    to = [f"whatsapp:{ADDRESS}"]
    for text in (WORDS, WORDS * 1000):
        body = {"message_id": str(uuid4()), "from": "user-0", "to": to, "payload": {"type": "text", "text": text}}
        assert operator.request("POST", "/v1/messages", body)[0] in (202, 422)
    assert operator.request("POST", "/v1/messages", f'{{"to": ["{ADDRESS}", {WORDS}'.encode())[0] in (400, 422)
    for channel in CHANNELS:
        path = f"/channels/{channel}/webhook?hub.verify_token={WRONG}"
        assert stranger.request("POST", path, {"text": WORDS, "from": ADDRESS})[0] == 403
    stranger.close()
