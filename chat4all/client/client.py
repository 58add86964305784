"""What a program calls: sending, reading, files, and the stream."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from uuid import uuid4

from chat4all.client.access_calls import AccessCalls
from chat4all.client.account_calls import AccountCalls
from chat4all.client.app_calls import AppCalls
from chat4all.client.bodies import Sent, message
from chat4all.client.broadcast_calls import BroadcastCalls
from chat4all.client.connection import AGAIN, ApiError, Connection, Tokens, wait_s
from chat4all.client.contact_calls import ContactCalls
from chat4all.client.content_calls import ContentCalls
from chat4all.client.inbox_calls import InboxCalls
from chat4all.client.presence_calls import PresenceCalls
from chat4all.client.scheduled_calls import ScheduledCalls
from chat4all.client.search_calls import SearchCalls
from chat4all.client.streaming import Stream
from chat4all.client.transfers import PARALLEL, Progress, Then, Upload, UploadNotes, download
from chat4all.client.webhook_calls import WebhookCalls
from chat4all.client.workspace_calls import WorkspaceCalls


class Client(
    AccessCalls,
    AccountCalls,
    AppCalls,
    WorkspaceCalls,
    BroadcastCalls,
    ContactCalls,
    ContentCalls,
    InboxCalls,
    WebhookCalls,
    SearchCalls,
    PresenceCalls,
    ScheduledCalls,
):
    """One account on one server.

    base_url: the gateway's; stream_target: host:port of the gRPC server, or https://host[:port] where TLS stands in front.
    tokens: from an earlier login; keep: told of every renewal, to be kept; newest: what was kept last, asked before a renewal
    where several processes share a login, because a refresh token is good once. timeout_s: of one request. tries: how often a
    request is made before its failure is raised.
    """

    def __init__(
        self,
        base_url: str = "http://127.0.0.1:8000",
        stream_target: str = "127.0.0.1:50051",
        *,
        tokens: Tokens | None = None,
        keep: Callable[[Tokens], None] | None = None,
        newest: Callable[[], Tokens | None] | None = None,
        timeout_s: float = 10.0,
        tries: int = 6,
    ) -> None:
        self._http = Connection(base_url, tokens, keep, timeout_s, tries, newest)
        self._stream_target = stream_target

    def close(self) -> None:
        """Let go of connections. Streams end by themselves. Safe to call twice."""
        self._http.close()

    # Who we are.

    def register(self, user_id: str, password: str, display_name: str = "") -> dict[str, Any]:
        """Make a user. ApiError 409 when the name is taken."""
        body = {"user_id": user_id, "password": password, "display_name": display_name}
        # Without a key a repetition after a lost answer would find its own user and say that the name is taken.
        return self._http.call("POST", "/v1/users", body, with_token=self._http.tokens is not None, key=str(uuid4()))

    def login(self, client_id: str, secret: str, workspace: str = "") -> Tokens:
        """Log in: a user with a password, or a service client with its secret. Renewals then happen by themselves.

        workspace: in which they are; most deployments have `default` alone, which is meant without it.
        """
        body = {"client_id": client_id, "client_secret": secret} | ({"workspace": workspace} if workspace else {})
        return self._http.take(self._http.call("POST", "/auth/token", body, with_token=False))

    def token(self) -> str:
        """An access token that is still good for a while. ApiError 401 when there is no login, or it has run out."""
        return self._http.token()

    def renew(self) -> None:
        """Get new tokens now. ApiError 401 when the login has run out."""
        if self._http.tokens is None:
            raise ApiError(401, "not_logged_in", "not logged in")
        self._http.renew(self._http.tokens)

    def me(self) -> dict[str, Any]:
        """The account of this client."""
        return self._http.call("GET", "/v1/users/me")

    # Conversations.

    def private(self, user: str) -> dict[str, Any]:
        """The private conversation with this user; made if new."""
        return self._http.call("POST", "/v1/conversations", {"type": "private", "members": [user]})

    def group(self, members: Sequence[str], *, conversation_id: str = "", **more: Any) -> dict[str, Any]:
        """Found a group. Its id is made here unless given, so that a repetition finds it. `more`: metadata, open_history."""
        body = {"type": "group", "members": list(members), "conversation_id": conversation_id or str(uuid4()), **more}
        return self._http.call("POST", "/v1/conversations", body)

    def conversations(self) -> list[dict[str, Any]]:
        """All conversations of this account."""
        return list(self._http.pages("/v1/conversations", "conversations"))

    # Messages.

    def send(self, text: str = "", **fields: Any) -> Sent:
        """Send to a user id or channel:address (`to`), or into a `conversation_id`. Returns when it is durable.

        The fields are those of `message`. Every repetition carries the same message id: sent again, it is one message.
        With `idempotency_key` in place of a `message_id` that holds also for another process that says it under this key.
        """
        key = fields.pop("idempotency_key", "")
        body = message(text, **fields)
        if key and not fields.get("message_id"):
            del body["message_id"]
        return _sent(self._http.call("POST", "/v1/messages", body, key=key))

    def send_all(self, messages: Sequence[dict[str, Any]]) -> list[Sent | ApiError]:
        """Send up to 500 messages, as `message` makes them, in one request; for each what came of it, in order.

        Those that an outage held back are sent again with their ids; the others are left alone.
        """
        done: dict[str, dict[str, Any]] = {}
        left = list(messages)
        for number in range(self._http.tries):
            answer = self._http.call("POST", "/v1/messages:batch", {"messages": left})
            done.update({body["message_id"]: result for body, result in zip(left, answer["results"], strict=True)})
            left = [body for body in left if _refused_with(done[body["message_id"]]) in AGAIN]
            if not left or number + 1 == self._http.tries:
                break
            time.sleep(wait_s(number))
        return [_result(done[body["message_id"]]) for body in messages]

    def message(self, message_id: str, wait: float = 0, conversation_id: str = "") -> dict[str, Any]:
        """A message with its deliveries and their history. `wait`: up to 10 s, until it is stored.

        ApiError 409 `ambiguous_message_id` where several conversations have it, and none is named.
        """
        asked = {"wait": f"{wait:g}" if wait else "", "conversation_id": conversation_id}
        return self._http.call(
            "GET", f"/v1/messages/{message_id}", params={name: given for name, given in asked.items() if given}
        )

    def cancel(self, message_id: str, conversation_id: str = "") -> dict[str, Any]:
        """Have what was not sent yet of a message not sent: {message_id, conversation_id, cancelled, too_late}, as numbers."""
        asked = {"conversation_id": conversation_id} if conversation_id else {}
        return self._http.call("DELETE", f"/v1/messages/{message_id}/deliveries", params=asked)

    def raw(self, message_id: str, conversation_id: str = "") -> Any:
        """What the provider sent of a message that has no type here: its JSON, or text where it was too much. Scope manage.

        ApiError 404 `no_raw` where nothing is kept.
        """
        asked = {"conversation_id": conversation_id} if conversation_id else {}
        return self._http.call("GET", f"/v1/messages/{message_id}/raw", params=asked)["raw"]

    def dead_letters(self, **wanted: Any) -> list[dict[str, Any]]:
        """All letters about what was not processed, delivered or read: since, until, channel, reason, stage. Scope admin."""
        return list(self._http.pages("/v1/dead-letters", "dead_letters", wanted))

    def dead_letter(self, letter_id: str) -> dict[str, Any]:
        """A letter with the `body` of the webhook that it is about. ApiError 404 `unknown_letter` where there is none."""
        return self._http.call("GET", f"/v1/dead-letters/{letter_id}")

    def replay_dead_letter(self, letter_id: str, *, dry_run: bool = False) -> dict[str, Any]:
        """Have a kept webhook read again: {messages, receipts, unreadable, unclaimed}. Doing it twice is once."""
        return self._http.call("POST", f"/v1/dead-letters/{letter_id}/replay", {"dry_run": dry_run})

    def road(self) -> dict[str, Any]:
        """What waits where: {topics, channels, disk?}. Scope manage."""
        return self._http.call("GET", "/v1/road")

    def resend(self, message_id: str, *, dry_run: bool = False) -> dict[str, Any]:
        """Send what FAILED of a message again: {resent, left}. Asked twice it is done once. Scope admin."""
        return self._http.call("POST", f"/v1/messages/{message_id}/resend", {"dry_run": dry_run})

    def history(self, conversation_id: str, **page: Any) -> dict[str, Any]:
        """{messages, next?} of a conversation. `page`: since or before, limit; neither since nor before: the latest."""
        return self._http.call("GET", f"/v1/conversations/{conversation_id}/messages", params=page)

    def read(self, conversation_id: str, up_to: int, *, tell: bool = False) -> None:
        """Say that this account has read everything up to this seq. `tell`: people on channels see it too, where they can."""
        body = {"up_to": up_to} | ({"tell": True} if tell else {})
        self._http.call("POST", f"/v1/conversations/{conversation_id}/read", body)

    # Files.

    def upload(
        self,
        path: Path,
        conversation_id: str,
        *,
        mime_type: str = "",
        notes: Path | None = None,
        progress: Progress = lambda _bytes: None,
        parallel: int = PARALLEL,
        then: Then | None = None,
    ) -> dict[str, Any]:
        """Upload a file into a conversation, in parts, side by side; the file as the API gives it, ready to be sent.

        `notes`: a folder for what must be known to go on after this process has ended. `progress` is told of bytes.
        `then` is told the finished file, and whether an earlier run had finished it; cut before `then` has returned, a
        run with the same notes comes to it again without any upload.
        """
        return Upload(self._http, path, conversation_id, UploadNotes(notes), progress).run(mime_type, parallel, then)

    def file(self, file_id: str) -> dict[str, Any]:
        """A file, and how far it has come."""
        return self._http.call("GET", f"/v1/files/{file_id}")

    def download(self, file_id: str, target: Path, *, progress: Progress = lambda _bytes: None) -> Path:
        """Download a file to `target`, a file or a folder, and check it; where it is now."""
        return download(self._http, file_id, target, progress)

    def stream(self, cursor: str = "", *, acknowledge: bool = False, everything: bool = False) -> Stream:
        """All events this account may see, live, from `cursor` on. Empty: what it has not acknowledged as delivered.

        Iterate over it; it resumes by itself. `acknowledge`: tell the server that what the loop is done with is delivered.
        `everything`: those of every conversation, for service clients with scope manage; an empty cursor then begins now.
        """
        return Stream(self._stream_target, self.token, self.renew, cursor, acknowledge and not everything, everything)


def _sent(answer: dict[str, Any]) -> Sent:
    return Sent(answer["message_id"], answer["conversation_id"], answer["status"])


def _refused_with(result: dict[str, Any]) -> int:
    """The HTTP status that this message alone would have had; 0 when it was accepted."""
    return int(result.get("error", {}).get("status", 0))


def _result(result: dict[str, Any]) -> Sent | ApiError:
    error = result.get("error")
    if not error:
        return _sent(result)
    return ApiError(int(error.get("status", 0)), str(error.get("code", "")), str(error.get("detail", "")), result)
