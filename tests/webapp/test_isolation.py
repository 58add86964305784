"""Nobody reaches another workspace: every operation of the OpenAPI document, made of the document.

Each call is made with the token of another workspace, and answered as if its ids were nobody's; then with that of its own,
where it works; then again with the other. A route that is added is among them: one whose call cannot be made up fails by its
name.
"""

import hashlib
import io
import json
import re
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from limits.storage import MemoryStorage
from werkzeug.test import TestResponse

from chat4all.channels import CHANNELS
from chat4all.model.clock import now_ms, rfc3339
from chat4all.model.conversations import User, UserKind
from chat4all.model.ids import DEFAULT_WORKSPACE
from chat4all.model.workspaces import stored
from chat4all.ports import DeadLetter
from chat4all.ports.templates import AccountTemplate
from chat4all.services.access import tokens
from chat4all.settings import Settings
from tests.wakes import Wakes
from tests.webapp import test_accounts
from tests.webapp.driver import PASSWORD, Driver
from tests.webapp.graph import Provider
from webapp.app import create_app
from webapp.requests.gateway import KEY

ACME, ZETA = "acme", "zeta"
PHONE = "+5511999990000"
TEA = "sha256:" + hashlib.sha256(b"tea").hexdigest()
# These know nobody, or name nothing of a workspace's; who the caller is they learn of what the call proves.
OPEN = {
    "logIn": "test_sessions",
    "refreshTokens": "test_sessions",
    "logOut": "test_sessions",
    "getLoginForm": "names nothing",
    "beginSession": "test_console",
    "getSession": "test_console",
    "renewSession": "test_console",
    "endOwnSession": "test_console",
    "verifyWebhook": "the provider proves itself",
    "receiveWebhook": "the provider proves itself",
    "verifyAccountWebhook": "the provider proves itself",
    "receiveAccountWebhook": "the provider proves itself",
    "verifyAppWebhook": "the provider proves itself",
    "receiveAppWebhook": "the provider proves itself",
    "downloadObject": "the signed URL below",
    "uploadObject": "the signed URL below",
    "getHealth": "knows nobody",
    "getReadiness": "knows nobody",
    "streamEvents": "tests/bridges/test_workspaces.py",
}
# Nobody in a workspace may ask these: they are the deployment's (test_workspaces.py).
OPERATORS = "/v1/workspaces"


class Room:
    """One workspace in the gateway, with somebody who may do everything in it. What is needed is made when it is asked for."""

    def __init__(self, driver: Driver, provider: Provider, workspace: str) -> None:
        self.driver, self.provider, self.workspace = driver, provider, workspace
        self.known: set[str] = set()
        self.here = driver.parts.within(workspace)
        self.boss = self._token("boss", UserKind.CLIENT, ("admin",))
        self.alice = self._token("alice", UserKind.PERSON)
        self.here.store.add_users([User("bob", UserKind.PERSON, 1, f"Bob of {workspace}")])

    def _token(self, name: str, kind: UserKind, scopes: tuple[str, ...] = ()) -> str:
        user = User(name, kind, now_ms(), f"{name} of {self.workspace}", scopes=scopes)
        self.here.store.add_users([user])
        secret = self.driver.parts.settings.secret("jwt")
        return tokens.issue(user, tokens.ACCESS, 3600, secret, f"{self.workspace}-{name}", workspace=self.workspace)

    def call(self, token: str, method: str, path: str, body: Any = None, form: Any = None) -> TestResponse:
        headers = {"Authorization": f"Bearer {token}"}
        if form:
            return self.driver.client.open(path, method=method, headers=headers, data=form)
        if body is not None:
            headers["Content-Type"] = "application/json"
        data = None if body is None else json.dumps(body)
        return self.driver.client.open(path, method=method, headers=headers, data=data)

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        answer = self.call(self.boss, method, path, body)
        assert answer.status_code < 300, (path, answer.get_data(as_text=True))
        self.known.update(IDS.findall(answer.get_data(as_text=True)))
        return json.loads(answer.data) if answer.data else None

    # What operations name, by the name of the parameter.

    def user_id(self) -> str:
        name = f"u{uuid4().hex}"
        self.ask("POST", "/v1/users", {"user_id": name, "password": PASSWORD, "display_name": f"Mark of {self.workspace}"})
        return name

    def conversation_id(self) -> str:
        members = {"type": "group", "members": ["alice", "bob", "boss"]}
        return str(self.ask("POST", "/v1/conversations", members)["conversation_id"])

    def message_id(self) -> str:
        body = {"conversation_id": self.conversation_id(), "from": "alice", "payload": {"type": "text", "text": "hello"}}
        said = self.ask("POST", "/v1/messages", body)
        self.driver.process()
        self.here.store.put_raw({(said["conversation_id"], said["message_id"]): b'{"raw": 1}'})
        return str(said["message_id"])

    def contact_id(self) -> str:
        phone = f"+55119{uuid4().int % 10**8:08}"
        return str(self.ask("POST", "/v1/contacts", {"address": f"whatsapp:{phone}"})["contact_id"])

    def account_id(self) -> str:
        account = f"55119{uuid4().int % 10**8:08}"
        self.provider.others.append(account)
        made = self.ask("POST", "/v1/accounts", test_accounts.body(self.provider, "whatsapp", account=account))
        self.ask("POST", f"/v1/accounts/{made['account_id']}/check")
        return str(made["account_id"])

    def app_id(self) -> str:
        given = {"app_secret": uuid4().hex, "verify_token": "v"}
        return str(self.ask("POST", "/v1/apps", {"channel": "whatsapp", "credentials": given})["app_id"])

    def webhook_id(self) -> str:
        return str(self.ask("POST", "/v1/webhooks", {"url": "https://hook.example/x"})["webhook_id"])

    def reply_id(self) -> str:
        body = {"title": "Hi", "shortcut": uuid4().hex, "text": "Hello"}
        return str(self.ask("POST", "/v1/saved-replies", body)["reply_id"])

    def broadcast_id(self) -> str:
        self.account_id()
        body = {"payload": {"type": "text", "text": "x"}, "channel": "whatsapp", "audience": {"addresses": [PHONE]}}
        return str(self.ask("POST", "/v1/broadcasts", body)["broadcast_id"])

    def letter_id(self) -> str:
        now = now_ms()
        of = stored(self.workspace, str(uuid4()))
        letter = DeadLetter(str(uuid4()), now, "unreadable", "x", conversation_id=of, channel="whatsapp", first_at=now)
        self.driver.parts.store.keep_webhooks([(letter, b"{}")])
        return letter.letter_id

    def file_id(self) -> str:
        form = {"conversation_id": self.conversation_id(), "file": (io.BytesIO(b"tea"), "tea.txt")}
        return str(json.loads(self.call(self.alice, "POST", "/v1/files", form=form).data)["file_id"])

    def upload_id(self) -> str:
        body = {"conversation_id": self.conversation_id(), "filename": "tea.bin", "size": 3}
        return str(json.loads(self.call(self.alice, "POST", "/v1/files/initiate", body).data)["file_id"])

    def name(self) -> str:
        name = f"c{uuid4().hex}"
        self.ask("POST", "/v1/clients", {"name": name, "scopes": ["send"]})
        return name

    def session_id(self) -> str:
        """Of alice."""
        user = self.here.store.users(["alice"])["alice"]
        self.here.logins.begin(user, 0)
        return self.here.store.sessions("alice")[-1].session_id


def text(words: str) -> dict[str, str]:
    return {"type": "text", "text": words}


class Call:
    """One operation with everything that it needs. `ids`: what stands in place of these parameters.

    `chosen`: its ids are for something new, and each workspace may have the same.
    """

    def __init__(
        self, who: str = "boss", body: Any = None, query: str = "", form: Any = None, chosen: bool = False, **ids: Any
    ) -> None:
        self.who, self.body, self.query, self.form, self.chosen, self.ids = who, body, query, form, chosen, ids


def begun(room: Room) -> Call:
    """A broadcast that runs."""
    broadcast_id = room.broadcast_id()
    room.ask("POST", f"/v1/broadcasts/{broadcast_id}/start")
    return Call(broadcast_id=broadcast_id)


def linked(room: Room, is_linked: bool = True) -> Call:
    """An address of somebody in a group."""
    room.account_id()
    user, phone = room.user_id(), f"+55119{uuid4().int % 10**8:08}"
    room.ask("PUT", f"/v1/users/{user}/identities/whatsapp", {"address": phone})
    made = room.ask("POST", "/v1/conversations", {"type": "group", "members": ["alice", user]})
    if is_linked:
        room.ask("PUT", f"/v1/conversations/{made['conversation_id']}/links/whatsapp/{phone}")
    return Call(conversation_id=made["conversation_id"], address=phone)


def owning(room: Room) -> Call:
    room.account_id()
    user, phone = room.user_id(), f"+55119{uuid4().int % 10**8:08}"
    room.ask("PUT", f"/v1/users/{user}/identities/whatsapp", {"address": phone})
    return Call(user_id=user, query=f"address=%2B{phone[1:]}")


def proving(room: Room) -> Call:
    """A code of which we know nothing: what is right of the call is the user, so a wrong code is the answer."""
    room.account_id()
    return Call(user_id=room.user_id(), body={"address": PHONE, "code": "123456"})


def blocked(room: Room) -> Call:
    user = room.user_id()
    assert room.call(room.alice, "PUT", f"/v1/users/me/blocks/{user}").status_code == 204
    return Call("alice", user_id=user)


def merged(room: Room) -> Call:
    one, other = room.contact_id(), room.contact_id()
    room.ask("POST", f"/v1/contacts/{one}/merge", {"contact_id": other})
    return Call(contact_id=one, body={})


def previewed(room: Room) -> Call:
    """One that is known, as the provider's last answer was."""
    account_id = room.account_id()
    template = AccountTemplate("order", "en", "UTILITY", ({"type": "BODY", "text": "Hi"},), "APPROVED", at=1)
    store = room.here.store
    store.put_templates(account_id, [template])
    store.note_templates_read(account_id, 1)
    return Call(body={}, account_id=account_id, name="order", language="en")


def paused(room: Room) -> Call:
    account_id = room.account_id()
    room.ask("POST", f"/v1/accounts/{account_id}/pause")
    return Call(account_id=account_id)


def message_in(room: Room) -> Call:
    message_id = room.message_id()
    home = room.here.store.places_of(message_id)[0].conversation_id
    return Call(message_id=message_id, query=f"conversation_id={home}")


def waiting_in(room: Room) -> Call:
    """A message that is to be sent later."""
    send_at = rfc3339(now_ms() + 3_600_000)
    return Call(message_id=str(room.ask("POST", "/v1/messages", said_in(room) | {"send_at": send_at})["message_id"]))


def changed_later(room: Room) -> Call:
    return Call(body={"payload": text("y")}, message_id=waiting_in(room).ids["message_id"])


def search_in(room: Room) -> Call:
    return Call(query=f"q=hello&conversation={room.conversation_id()}")


def read_in(room: Room) -> Call:
    """A message that alice may say to have read."""
    message_id = room.message_id()
    place = room.here.store.places_of(message_id)[0]
    return Call("alice", conversation_id=place.conversation_id, body={"up_to": place.seq})


def said_in(room: Room) -> dict[str, Any]:
    return {"message_id": str(uuid4()), "conversation_id": room.conversation_id(), "payload": text("x")}


def phone_of(room: Room, contact_id: str) -> str:
    return room.here.store.identities([contact_id])[contact_id][0].address


CALLS: dict[str, Callable[[Room], Call]] = {
    "registerUser": lambda room: Call(chosen=True, body={"user_id": f"n{uuid4().hex}", "password": PASSWORD}),
    "updateCaller": lambda room: Call("alice", body={"added_by": "everybody"}),
    "addIdentity": lambda room: Call(
        user_id=(room.account_id(), room.user_id())[1], body={"address": f"+55119{uuid4().int % 10**8:08}"}
    ),
    "listIdentities": owning,
    "releaseIdentity": owning,
    "verifyIdentity": proving,
    "createConversation": lambda room: Call(body={"type": "group", "members": ["alice", room.user_id()]}),
    "handleConversation": lambda room: Call(body={"state": "closed"}),
    "addMembers": lambda room: Call(body={"members": [room.user_id()]}),
    "removeMember": lambda room: Call(user_id="bob"),
    "linkAddress": lambda room: linked(room, is_linked=False),
    "unlinkAddress": linked,
    "markRead": read_in,
    "sendMessage": lambda room: Call("alice", body=said_in(room)),
    "sendMessages": lambda room: Call("alice", body={"messages": [said_in(room)]}),
    "getMessage": message_in,
    "getScheduledMessage": waiting_in,
    "updateScheduledMessage": changed_later,
    "cancelScheduledMessage": waiting_in,
    "getMessagesRaw": message_in,
    "initiateUpload": lambda room: Call(
        "alice", body={"conversation_id": room.conversation_id(), "filename": "a.bin", "size": 1}
    ),
    "listUploadParts": lambda room: Call("alice", file_id=room.upload_id()),
    "completeUpload": lambda room: Call("alice", body={"file_id": room.file_id(), "checksum": TEA}),
    "uploadFile": lambda room: Call("alice", form={"conversation_id": room.conversation_id()}),
    "changePassword": lambda room: Call("alice", body={"current_password": "wrong", "new_password": PASSWORD}),
    "resetPassword": lambda room: Call(body={}),
    "listSessions": lambda room: Call(),
    "endSession": lambda room: Call(user_id="alice", session_id=room.session_id()),
    "createClient": lambda room: Call(chosen=True, body={"name": f"c{uuid4().hex}", "scopes": ["send"]}),
    "blockUser": lambda room: Call("alice", user_id=room.user_id()),
    "unblockUser": blocked,
    "createWebhook": lambda room: Call(body={"url": "https://hook.example/y"}),
    "updateWebhook": lambda room: Call(body={"throttle": 2.0}),
    "rotateWebhookSecret": lambda room: Call(body={}),
    "recoverWebhook": lambda room: Call(body={"since": "1h"}),
    "createAccount": lambda room: Call(body=test_accounts.body(room.provider, account=f"{uuid4().int % 10**12}")),
    "createApp": lambda room: Call(body={"channel": "whatsapp", "credentials": {"app_secret": "s", "verify_token": "v"}}),
    "updateApp": lambda room: Call(body={"name": "Shop", "credentials": {"verify_token": "w"}}),
    "updateAccount": lambda room: Call(body={"name": "Shop"}),
    "resumeAccount": paused,
    "rotateAccountCredentials": lambda room: Call(body={"credentials": {"token": room.provider.token}}),
    "postAccountsTemplates": lambda room: Call(
        body={"name": "order", "language": "en", "category": "UTILITY", "components": [{"type": "BODY", "text": "Hi"}]}
    ),
    "deleteAccountsTemplates": lambda room: Call(name="order", language="en"),
    "postAccountsTemplatesPreview": previewed,
    "createContact": lambda room: Call(chosen=True, body={"address": "whatsapp:" + f"+55119{uuid4().int % 10**8:08}"}),
    "postContactsImport": lambda room: Call(
        chosen=True, body={"csv": f"address\nwhatsapp:+55119{uuid4().int % 10**8:08}\n"}
    ),
    "updateContact": lambda room: Call(body={"notes": "x"}),
    "mergeContact": lambda room: Call(contact_id=room.contact_id(), body={"contact_id": room.contact_id()}),
    "unmergeContact": merged,
    "putContactsConsents": lambda room: Call(body={"state": "granted"}),
    "createSavedReply": lambda room: Call(
        body={"title": "Hi", "shortcut": uuid4().hex, "text": "", "files": [room.file_id()]}
    ),
    "updateSavedReply": lambda room: Call(body={"title": "Hello"}),
    "renderSavedReply": lambda room: Call(body={"conversation_id": room.conversation_id()}),
    "createBroadcast": lambda room: Call(
        body={
            "payload": text("x"), "channel": (room.account_id(), "whatsapp")[1], "audience": {"tag": "vip"},
            "from": room.user_id(),
        }
    ),
    "postBroadcastsAudience": lambda room: Call(body={"addresses": [PHONE]}),
    "pauseBroadcast": begun,
    "replayDeadLetter": lambda room: Call(body={"dry_run": True}),
    "resendMessage": lambda room: Call(message_id=room.message_id(), body={"dry_run": True}),
    "getSearch": search_in,
    "listContacts": lambda room: Call(query="address=whatsapp:%2B" + phone_of(room, room.contact_id())[1:]),
    "listConversations": lambda room: Call(query="order=activity"),
    "reportConversations": lambda room: Call(query=f"since={rfc3339(now_ms() - 3_600_000)}&until={rfc3339(now_ms() + 60_000)}"),
    "reportCosts": lambda room: Call(query=f"since={rfc3339(now_ms() - 3_600_000)}&until={rfc3339(now_ms() + 60_000)}"),
    "getPresence": lambda room: Call(query=f"user_id={room.user_id()}"),
    "setPresence": lambda room: Call("alice", body={"hidden": False}),
}  # fmt: skip
# What is right of these calls is whom they are about; what they then say of what was asked is no success.
# An account of a provider is connected once in a deployment.
TO_OTHERS = {"createAccount": 409, "changePassword": 403}
ANSWERS = {"verifyIdentity": 422, "changePassword": 403, "getMessagesLinkPreview": 404}


@pytest.fixture(scope="module")
def rooms(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Room]]:
    provider, patch = Provider(), pytest.MonkeyPatch()
    for name in CHANNELS:
        patch.setenv(f"{name.upper()}_API_URL", provider.url)
    folder: Path = tmp_path_factory.mktemp("isolation")
    settings = Settings(
        data=folder, partitions=2, broker="memory://", public_url="https://chat.example", search="sqlite:search.db",
        rate_limit="99999/minute", login_limit="9999/minute",
    )  # fmt: skip
    driver = Driver(create_app(settings, None, MemoryStorage(), Wakes()))
    made = [Room(driver, provider, each) for each in (ACME, ZETA, DEFAULT_WORKSPACE)]
    for each in made:
        each.account_id()
    for name in (
        "account_id",
        "app_id",
        "message_id",
        "contact_id",
        "webhook_id",
        "reply_id",
        "broadcast_id",
        "letter_id",
        "name",
    ):
        getattr(made[0], name)()
    yield made
    driver.close()
    provider.close()
    patch.undo()


def operations() -> list[tuple[str, str, str]]:
    """(operation, method, path) of the whole document, but for what needs no workspace."""
    with tempfile.TemporaryDirectory() as data:
        app = create_app(Settings(data=Path(data), broker="memory://"), None, MemoryStorage(), Wakes())
        document = app.api_doc
        app.extensions[KEY].close()
    return [
        (operation["operationId"], method.upper(), path)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
        if isinstance(operation, dict) and operation["operationId"] not in OPEN and not path.startswith(OPERATORS)
    ]


IDS = re.compile(
    r"contact-[0-9a-f-]{36}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|[cnu][0-9a-f]{32}|(?:\\+|%2B)55119[0-9]{8}"
)


def random_id(given: str) -> str:
    """One of the same form that is nobody's."""
    if "55119" in given:
        return f"{given.partition('55119')[0]}55119{uuid4().int % 10**8:08}"
    return f"contact-{uuid4()}" if given.startswith("contact-") else str(uuid4()) if "-" in given else "u" + uuid4().hex


def renamed(given: Any, names: dict[str, str]) -> Any:
    """The same with other ids."""
    encoded = json.dumps(given)
    for old, new in names.items():
        encoded = encoded.replace(old, new)
    return json.loads(encoded)


class Asked:
    """A call as it is made: with its own ids, or with others in their place."""

    def __init__(self, room: Room, operation: str, method: str, path: str) -> None:
        call = CALLS[operation](room) if operation in CALLS else Call()
        self.call, self.method = call, method
        self.path = path
        for name in [part[1:-1] for part in path.split("/") if part.startswith("{")]:
            value = call.ids.get(name) or ("whatsapp" if name == "channel" else getattr(room, name)())
            self.path = self.path.replace("{" + name + "}", str(value))
        self.within = set(IDS.findall(json.dumps([call.body, call.query, call.form])))
        self.ids = set() if call.chosen else {*IDS.findall(self.path), *self.within}

    def made(self, room: Room, names: dict[str, str]) -> tuple[int, str]:
        """Status and text of the answer, in which the ids are as they were."""
        path, query = renamed([self.path, self.call.query], names)
        form = None
        if self.call.form:
            form = {**renamed(self.call.form, names), "file": (io.BytesIO(b"tea"), "tea.txt")}
        token = room.alice if self.call.who == "alice" else room.boss
        answer = room.call(token, self.method, f"{path}?{query}" if query else path, renamed(self.call.body, names), form)
        said = answer.get_data(as_text=True)
        for old, new in names.items():
            said = said.replace(new, old)
        return answer.status_code, said

    def as_nobody(self, room: Room) -> tuple[int, str]:
        """With ids of the same form that are nobody's."""
        return self.made(room, {each: random_id(each) for each in self.ids})

    def by_another_name(self, room: Room, workspace: str) -> tuple[int, str]:
        """With the ids as they are stored, in body and query, as whoever knows how that is done could try."""
        return self.made(room, {each: stored(workspace, each) for each in self.within})


def lasting(answered: tuple[int, str]) -> tuple[int, Any]:
    """What of an answer is the same whenever it is given."""
    try:
        body = json.loads(answered[1])
    except ValueError:
        return answered
    kept = {"status", "code", "detail", "errors", "results", "error", "presence", "messages", "contacts"}
    return answered[0], {name: value for name, value in body.items() if name in kept} if isinstance(body, dict) else body


OPERATIONS = operations()


@pytest.mark.parametrize(("operation", "method", "path"), OPERATIONS, ids=[each[0] for each in OPERATIONS])
def test_a_foreign_id_is_nobody_s(rooms: list[Room], operation: str, method: str, path: str) -> None:
    """Before and after it worked for whose it is; and no list has anything of another workspace."""
    acme, *others = rooms
    asked = Asked(acme, operation, method, path)
    expected = {each.workspace: lasting(asked.as_nobody(each)) for each in others} if asked.ids else {}
    for each in others if asked.ids else ():
        assert lasting(asked.made(each, {})) == expected[each.workspace]
        assert lasting(asked.by_another_name(each, ACME)) == lasting(asked.by_another_name(each, "nowhere"))
    status, said = asked.made(acme, {})
    assert status == ANSWERS.get(operation, status if status < 300 else 200), said
    acme.known.update(IDS.findall(said))
    for each in others:
        status, said = asked.made(each, {})
        assert "acme" not in said
        if asked.ids:
            assert lasting((status, said)) == expected[each.workspace]
        else:
            assert status == TO_OTHERS.get(operation, status if status < 300 else 200), said
            # What a caller chose, or what follows from it, each may have.
            assert asked.call.chosen or not acme.known.intersection(IDS.findall(said))


def test_a_signed_url_is_given_to_nobody_else(rooms: list[Room]) -> None:
    """Whoever has it may use it, so it is made for those alone who may read the file."""
    acme, *others = rooms
    file_id = acme.file_id()
    assert acme.call(acme.alice, "GET", f"/v1/files/{file_id}/presigned").status_code == 200
    for each in others:
        answers = [each.call(each.boss, "GET", f"/v1/files/{name}/presigned") for name in (file_id, str(uuid4()))]
        assert answers[0].status_code == answers[1].status_code == 404
        assert answers[0].data == answers[1].data
