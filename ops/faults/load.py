"""The load: some senders, each with its own conversations, hot and cold. All that was said and answered is kept."""

import http.client
import threading
import time
from random import Random
from typing import Any
from uuid import uuid4

from msgspec import Struct
from msgspec.structs import replace

from ops.faults.crowd import Crowd, Talk
from ops.faults.history import Accepted
from ops.harness.place import Place

SENDERS = 4
HOT_EACH = 3
COLD_EACH = 3
PER_SECOND = 300.0
AGAIN_S = 0.2
GIVE_UP_S = 150.0
# Of so many messages of a conversation in a row one is a place, one offers choices, one is a card.
KINDS_EACH = 10
# Every so many-th answers the one before.
REPLY_EACH = 4


def content(words: str, place: int) -> dict[str, Any]:
    """What the message at this place of its conversation says: mostly words, and of everything else something."""
    kinds: dict[int, dict[str, Any]] = {
        3: {"type": "location", "latitude": -23.56, "longitude": -46.65, "name": words},
        6: {"type": "choices", "text": words, "options": [{"id": "1", "title": "Yes"}, {"id": "2", "title": "No"}]},
        9: {"type": "contact_cards", "cards": [{"name": words, "phones": ["+5511999990000"]}]},
    }
    return kinds.get(place % KINDS_EACH, {"type": "text", "text": words})


class Request(Struct, frozen=True):
    """One request as its sender saw it: began (ms UTC), took (s), messages, how many were accepted, and the first refusal.

    `refused` is a status, 0 when there was none, -1 when no answer came.
    """

    at: int
    took: float
    messages: int
    accepted: int
    refused: int


class Load:
    """Senders in threads, until `stop`. A conversation's next message is sent when the one before was acknowledged.

    `per_second` may be changed meanwhile. `give_up_s`: so long one message is said again and again.
    """

    def __init__(
        self, place: Place, crowd: Crowd, seed: int, per_second: float = PER_SECOND, give_up_s: float = GIVE_UP_S
    ) -> None:
        self.accepted: list[Accepted] = []
        self.requests: list[Request] = []
        self.given_up: list[str] = []
        self.begun_at = 0
        self._give_up_s = give_up_s
        self._place, self._crowd, self._seed, self.per_second = place, crowd, seed, per_second
        self._last: dict[str, str] = {}
        self._stopping = threading.Event()
        self._threads = [threading.Thread(target=self._work, args=(n,), name=f"sender-{n}") for n in range(SENDERS)]

    def start(self) -> None:
        """Begin."""
        self.begun_at = int(time.time() * 1000)
        for each in self._threads:
            each.start()

    def stop(self) -> float:
        """Send no more, and wait until what was begun is acknowledged; messages offered a second, repeats included."""
        self._stopping.set()
        for each in self._threads:
            each.join(self._give_up_s + 30)
        seconds = (int(time.time() * 1000) - self.begun_at) / 1000
        return sum(each.messages for each in self.requests) / seconds

    def _work(self, number: int) -> None:
        random = Random(self._seed * 100 + number)
        hot = self._crowd.hot[number::SENDERS]
        cold = self._crowd.cold[number::SENDERS]
        places = {talk.conversation_id: 0 for talk in (*hot, *cold)}
        size = HOT_EACH + COLD_EACH
        turn = time.monotonic() + random.random() * size * SENDERS / self.per_second
        with self._place.system.api(self._crowd.operator.token) as api:
            while not self._stopping.is_set():
                self._stopping.wait(max(0.0, turn - time.monotonic()))
                between = size * SENDERS / self.per_second
                # Who was held up does not send everything at once afterwards.
                turn = max(turn + between, time.monotonic() - 2 * between)
                talks = [*hot[:HOT_EACH], *random.sample(cold, COLD_EACH)]
                self._say(api, [self._message(talk, places) for talk in talks])

    def _message(self, talk: Talk, places: dict[str, int]) -> tuple[Accepted, dict[str, Any]]:
        message_id, place = str(uuid4()), places[talk.conversation_id]
        places[talk.conversation_id] += 1
        payload = content(f"{message_id} {place}", place)
        body: dict[str, Any] = {
            "message_id": message_id,
            "conversation_id": talk.conversation_id,
            "from": talk.writers[place % len(talk.writers)],
            "payload": payload,
        }
        if place % REPLY_EACH == 0 and talk.conversation_id in self._last:
            body["reply_to"] = self._last[talk.conversation_id]
        self._last[talk.conversation_id] = message_id
        words = payload["text"] if payload["type"] == "text" else ""
        return Accepted(message_id, talk.conversation_id, place, frozenset(talk.members), talk.addresses, text=words), body

    def _say(self, api: Any, said: list[tuple[Accepted, dict[str, Any]]]) -> None:
        """Send until each is acknowledged, with the same ids; those that were are not said again."""
        give_up = time.monotonic() + self._give_up_s
        while said:
            left = self._request(api, said)
            if left and time.monotonic() > give_up:
                self.given_up += [each.message_id for each, _ in left]
                return
            if left:
                time.sleep(AGAIN_S)
            said = left

    def _request(self, api: Any, said: list[tuple[Accepted, dict[str, Any]]]) -> list[tuple[Accepted, dict[str, Any]]]:
        at, began, refused = int(time.time() * 1000), time.monotonic(), 0
        left = said
        try:
            status, answer = api.request("POST", "/v1/messages:batch", {"messages": [body for _, body in said]})
            results = answer["results"] if status == 200 else []
            refused = 0 if status == 200 else status
            left = [] if results else said
            for (each, body), result in zip(said, results, strict=False):
                if result["status"] == "accepted":
                    self.accepted.append(replace(each, at=int(time.time() * 1000)))
                else:
                    refused = result["error"]["status"]
                    left.append((each, body))
        except (OSError, http.client.HTTPException, ValueError):
            refused = -1
        self.requests.append(Request(at, time.monotonic() - began, len(said), len(said) - len(left), refused))
        return left
