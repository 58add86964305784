"""Drives a gateway in a test: requests by somebody, webhooks, and the pipeline's part on the store, done by hand."""

import json
from typing import Any, cast

from flask import Flask
from msgspec.structs import replace
from werkzeug.test import TestResponse

from chat4all.model.clock import now_ms
from chat4all.model.conversations import User, UserKind
from chat4all.model.deliveries import Delivery, DeliveryKey, Facts, Lane
from chat4all.model.messages import Message, seq_at
from chat4all.model.records import INCOMING, STATUS, Range, Status, partition_of, read_message, read_status
from chat4all.ports import Handle, Registration
from chat4all.services.access import tokens
from chat4all.services.access.credentials import create_client
from chat4all.settings import Settings
from tests.between import Between
from tests.wakes import Wakes
from tests.webapp.channels import SIGNATURE
from webapp.app import Ports, open_ports
from webapp.requests.gateway import KEY, Gateway

PASSWORD = "correct horse"


def watched(settings: Settings) -> Ports:
    """The ports of a gateway, each with something between that a test can make fail."""
    opened = open_ports(settings)
    between: list[Any] = [Between(each) for each in (opened.log, opened.store, opened.objects)]
    return Ports(*between)


class Driver:
    """`app`'s gateway, its test client, and the tokens of whoever was made."""

    def __init__(self, app: Flask) -> None:
        self.app = app
        self.parts: Gateway = app.extensions[KEY]
        # What befalls whoever calls the ports, where they were opened by `watched`.
        self.faults, self.log_faults, self.object_faults = (
            cast("Between", each) for each in (self.parts.store, self.parts.log, self.parts.objects)
        )
        self.client = app.test_client()
        self.tokens: dict[str, str] = {}
        self._processed: dict[int, int] = {}

    def given(self, **parts: Any) -> None:
        """From now on requests find these in the gateway."""
        self.parts = self.app.extensions[KEY] = replace(self.parts, **parts)

    @property
    def wakes(self) -> Wakes:
        """Whom this gateway woke."""
        assert isinstance(self.parts.waker, Wakes)
        return self.parts.waker

    def people(self, *names: str) -> None:
        """Register persons, by the quick way around passwords."""
        users = [User(name, UserKind.PERSON, 1, name.capitalize()) for name in names]
        self.parts.store.add_users(users)
        self.tokens.update({user.user_id: self.token(user) for user in users})

    def service(self, name: str, *scopes: str) -> str:
        """Register a service client; its secret."""
        secret = create_client(self.parts.store, name, scopes)
        self.tokens[name] = self.token(self.parts.store.users([name])[name])
        return secret

    def token(self, user: User, life_s: int = 3600) -> str:
        return tokens.issue(user, tokens.ACCESS, life_s, self.parts.settings.secret("jwt"), session=f"of-{user.user_id}")

    def call(self, who: str | None, method: str, path: str, body: Any = None, **more: Any) -> TestResponse:
        """One request in somebody's name."""
        headers = {"Authorization": f"Bearer {self.tokens[who]}"} if who else {}
        if body is not None:
            more["data"] = body if isinstance(body, bytes) else json.dumps(body)
            headers["Content-Type"] = "application/json"
        return self.client.open(path, method=method, headers=headers | more.pop("headers", {}), **more)

    def ask(self, who: str | None, method: str, path: str, body: Any = None, expect: int = 200) -> Any:
        """The body of an answer that must have this status."""
        answer = self.call(who, method, path, body)
        assert answer.status_code == expect, answer.get_data(as_text=True)
        if expect >= 400:
            assert answer.content_type == "application/problem+json"
        return json.loads(answer.data) if answer.data else None

    def refused(self, who: str | None, method: str, path: str, body: Any = None, expect: int = 422) -> tuple[str, str]:
        """The code of a problem, and the first field that it names."""
        problem = self.ask(who, method, path, body, expect)
        return problem["code"], (problem.get("errors") or [{"field": ""}])[0]["field"]

    def send(self, who: str, text: str = "hello", expect: int = 202, **more: Any) -> Any:
        """POST /v1/messages with a text."""
        body = {"payload": {"type": "text", "text": text}, **more}
        if "sender" in body:
            body["from"] = body.pop("sender")
        return self.ask(who, "POST", "/v1/messages", body, expect)

    def private(self, one: str, other: str) -> str:
        made = self.call(one, "POST", "/v1/conversations", {"type": "private", "members": [other]})
        return str(json.loads(made.data)["conversation_id"])

    def group(self, who: str, *members: str, **more: Any) -> str:
        body = {"type": "group", "members": list(members), **more}
        return str(self.ask(who, "POST", "/v1/conversations", body, 201)["conversation_id"])

    def webhook(self, channel: str, *parts: dict[str, Any], signature: str = SIGNATURE) -> TestResponse:
        """What a provider brings."""
        return self.client.post(f"/channels/{channel}/webhook", data=json.dumps(parts), headers={"X-Signature": signature})

    def writes(self, channel: str, address: str, text: str, provider_id: str, **more: Any) -> Message:
        """Somebody writes on a channel; the record that came of it."""
        known = {(each.conversation_id, each.seq) for each in self.records()}
        part = {"type": "inbound", "address": address, "text": text, "provider_id": provider_id, **more}
        assert self.webhook(channel, part).status_code == 200
        [new] = [each for each in self.records() if (each.conversation_id, each.seq) not in known]
        return new

    def records(self) -> list[Message]:
        """All messages in the log, at their places, by time of arrival as far as one partition tells."""
        log = self.parts.log
        found = []
        for partition, (first, end) in sorted(log.ends(INCOMING).items()):
            if end > first:
                for record in log.read(INCOMING, [Range(partition, first, end - 1)], 5):
                    found.append(
                        (record.at, read_message(record).placed(seq_at(record.offset), record.headers.get("traceparent", "")))
                    )
        return [message for _, message in sorted(found, key=lambda each: (each[0], each[1].accepted_at))]

    def statuses(self) -> list[Status]:
        """All receipts and positions in the log."""
        log = self.parts.log
        return [
            read_status(record)
            for partition, (first, end) in sorted(log.ends(STATUS).items())
            if end > first
            for record in log.read(STATUS, [Range(partition, first, end - 1)], 5)
        ]

    def look_again(self, after_ms: int) -> None:
        """What the sweep does so long after now with updates that wait for what they are about; all has been stored by then."""
        now = now_ms() + after_ms
        self.parts.webhooks._arrivals.look_again(self.parts.store.deferred(now, 9), now, now)

    def process(self) -> list[Message]:
        """What persist and fan_out do, in short: keep the messages of the log and their delivery rows."""
        messages = self.records()
        store = self.parts.store
        for message in messages:
            place = (message.conversation_id, message.message_id)
            store.register([Registration(*place, message.seq, message.digest)])
            if store.registered([place])[place].seq == message.seq:
                store.put_messages([message])
                store.put_deliveries(self.rows(message))
        return messages

    def rows(self, message: Message) -> list[Delivery]:
        """The delivery rows of a message."""
        partition = partition_of(message.conversation_id, self.parts.acceptor.partitions)
        return [
            Delivery(
                key=DeliveryKey(Lane(each.channel, partition), message.seq, index),
                conversation_id=message.conversation_id,
                message_id=message.message_id,
                user_id=each.user_id,
                address=each.address,
                payload=message.payload,
                accepted_at=message.accepted_at,
                holds=message.holds,
                expires_at=message.expires_at,
                facts=Facts() if each.address else Facts(refused_at=message.accepted_at, refused_reason="no_identity"),
            )
            for index, each in enumerate(message.recipients)
        ]

    def deliver(self, message: Message, provider_id: str, at: int = 2) -> None:
        """What a lane does when the provider has taken the message's first delivery."""
        row = self.rows(message)[0]
        channel = row.key.lane.channel
        self.parts.store.record(
            {row.key: Facts(attempts=1, attempted_at=at, sent_at=at, provider_id=provider_id)},
            [Handle(channel, self.parts.channels[channel].account.account_id, provider_id, row.key)],
            {(channel, row.address): (message.conversation_id, at)},
        )

    def close(self) -> None:
        self.parts.close()
