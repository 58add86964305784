"""The console in a real browser, by stories: people on phones beside it, real processes behind it."""

import base64
import json
import os
import re
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

import pytest
from playwright.sync_api import Page, Route, expect

from chat4all.channels import open_channel
from chat4all.model.clock import now_ms, rfc3339
from chat4all.model.workspaces import Workspace
from chat4all.ports import DeadLetter
from chat4all.services.access.credentials import create_client
from chat4all.services.workspaces.scoped_store import scoped
from ops.harness.endpoint import endpoint
from ops.harness.system import System
from ops.harness.waiting import wait_until
from storage.open import open_store
from tests.end_to_end.browsing import (
    NARROW,
    PATIENCE_MS,
    WIDE,
    Visit,
    choose,
    inert,
    live,
    look,
    needs_chromium,
    on_embedded,
    ours,
    say,
    somebody,
    theirs,
)
from tests.end_to_end.odd_contents import ATTACK, attacked, failed_delivery, payloads
from tests.webapp.graph import Provider

pytestmark = [pytest.mark.end_to_end, needs_chromium]

PICTURE = Path(__file__).parent.parent.parent / "docs" / "pictures" / "phones.png"
IN_FORCE_MS = 2000


@pytest.fixture(scope="module", autouse=True)
def graph() -> Iterator[Provider]:
    """Meta, as far as a check of an account asks it. Before the system, whose processes ask it."""
    made = Provider()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MESSENGER_API_URL", made.url)
        yield made
    made.close()


def test_a_customer_writes_on_a_phone_and_an_agent_answers(visit: Callable[..., Visit], shared_system: System) -> None:
    """The answer is on the phone, the ticks turn to read, a second tab shows it live, and the way of the message is drawn."""
    address, name = somebody(shared_system, "Are you open today?")
    agent = visit()
    page = agent.sign_in()
    choose(page, name)
    expect(theirs(page, "Are you open today?")).to_have_count(1)
    other = agent.open(page.url.partition("/console")[2], agent.tab())
    live(other)
    page.get_by_label("Write a message").fill("Until six o'clock ")
    page.get_by_role("button", name="Emojis").click()
    page.get_by_role("button", name="👍", exact=True).click()
    expect(page.get_by_label("Write a message")).to_have_value("Until six o'clock 👍")
    page.get_by_label("Write a message").press("Enter")
    expect(ours(page, "Until six").locator(".ticks[data-state=READ]")).to_have_count(1)
    expect(ours(other, "Until six").locator(".ticks[data-state=READ]")).to_have_count(1)
    phone = agent.context.new_page()
    phone.goto(f"{shared_system.settings.simulator_url}/phones?phone=whatsapp:{address.replace('+', '%2B')}:Ana")
    expect(phone.locator(".bubble", has_text="Until six")).to_have_count(1)
    phone.locator(".words").fill("On my way")
    phone.locator(".words").press("Enter")
    phone.close()
    expect(theirs(page, "On my way")).to_have_count(1)
    expect(theirs(other, "On my way")).to_have_count(1)
    if pictures := os.environ.get("CONSOLE_PICTURES"):
        page.set_viewport_size({"width": 1000, "height": 560})
        page.screenshot(path=Path(pictures) / "console.png")
    ours(page, "Until six").locator(".way").click()
    expect(page.locator(".track .stop.done .label")).to_have_text(["Accepted", "Stored", "Sent", "Delivered", "Read"])
    expect(page.locator(".stands")).to_have_text(f"{name} has read it.")
    if pictures:
        page.screenshot(path=Path(pictures) / "message.png")
    page.get_by_text("Every step, to the millisecond").click()
    expect(page.locator(".branch .step .label")).to_have_text(["The provider took it", "It is on the device", "It was read"])
    expect(page.locator(".branch")).to_contain_text("Attempts: 1")
    expect(page.get_by_role("heading", name="The way of this message")).to_be_visible()


def test_what_a_person_sends_is_shown(visit: Callable[..., Visit], shared_system: System) -> None:
    """Their picture is seen without saving it, though its message came before it; an address in their words is a link."""
    picture = {"filename": "box.png", "mime_type": "image/png", "content": base64.b64encode(PICTURE.read_bytes()).decode()}
    _, name = somebody(shared_system, "This came (see https://shop.example/track?order=55).", file=picture)
    page = visit().sign_in()
    choose(page, name)
    expect(page.locator(".bubble.theirs img.picture")).to_have_js_property("naturalWidth", 1000)
    link = theirs(page, "This came").get_by_role("link", name="https://shop.example")
    expect(link).to_have_attribute("href", "https://shop.example/track?order=55")
    expect(link).to_have_attribute("rel", "noopener noreferrer")


def test_what_a_link_leads_to_is_fetched_by_consent(visit: Callable[..., Visit], shared_system: System) -> None:
    """Nothing is asked before somebody presses, or has chosen to see all; what may not be fetched says why; titles are text."""
    _, name = somebody(shared_system, "Inside: https://127.0.0.1/admin")
    page = visit().sign_in()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    choose(page, name)
    show = theirs(page, "Inside").get_by_role("button", name="Show what the link leads to")
    expect(show).to_be_visible()
    assert not [each for each in asked if "/link-preview" in each]
    show.click()
    expect(theirs(page, "Inside").get_by_role("status")).to_contain_text("not lead to a public place")
    shown = {"url": "https://127.0.0.1/admin", "host": "shop.example", "title": ATTACK, "description": "On its way"}
    page.route("**/link-preview?**", lambda route: route.fulfill(json=shown))
    page.get_by_role("button", name="Your settings").click()
    page.get_by_label("Always show it").check()
    page.locator("dialog").get_by_role("button", name="Close").click()
    page.reload()
    expect(theirs(page, "Inside").locator(".card")).to_contain_text("On its way")
    expect(theirs(page, "Inside").locator(".card")).to_contain_text("shop.example")
    inert(page)


def test_where_a_message_stopped_is_drawn(visit: Callable[..., Visit], shared_system: System) -> None:
    """The stop at which it ended, why, and what to do; what a channel never tells is no step that is waited for."""
    address, name = somebody(shared_system, "Call me")
    page = visit().sign_in()
    choose(page, name)
    shared_system.phones.behave("whatsapp", rules=[{"status": 400, "code": 131026, "match": address}])
    say(page, "We called")
    expect(ours(page, "We called").locator(".ticks[data-state=FAILED]")).to_have_count(1)
    shared_system.phones.behave("whatsapp", rules=[])
    ours(page, "We called").locator(".way").click()
    expect(page.locator(".track .stop.done .label")).to_have_text(["Accepted", "Stored"])
    expect(page.locator(".track .stop.failed")).to_contain_text("it stopped here")
    expect(page.locator(".track .stop.ahead .label")).to_have_text(["Delivered", "Read"])
    expect(page.locator(".branch .help")).to_contain_text(re.compile("Why:.*What to do:", re.DOTALL))
    _, other = somebody(shared_system, "Call me too", channel="telegram")
    page.get_by_role("link", name="Inbox").click()
    choose(page, other)
    say(page, "At noon")
    ours(page, "At noon").locator(".way").click()
    expect(page.locator(".track .stop.done .label")).to_have_text(["Accepted", "Stored", "Sent"])
    expect(page.locator(".track .stop.untold .label")).to_have_text(["Delivered", "Read"])
    expect(page.locator(".stands")).to_contain_text("It does not tell what becomes of it after that")


def later(page: Page, words: str, when: str) -> None:
    """Write, and have it sent at one of the times that are offered."""
    page.get_by_label("Write a message").fill(words)
    page.get_by_role("button", name="Send later").click()
    page.locator("dialog").get_by_role("button", name=when).click()
    page.locator("dialog").get_by_role("button", name="Send it then").click()


def test_what_is_sent_later_waits_where_it_was_written(visit: Callable[..., Visit], shared_system: System) -> None:
    """It is listed with its time, gets other words, is called off, and is sent once when it is due."""
    address, name = somebody(shared_system, "Remind me tomorrow")
    page = visit().sign_in()
    choose(page, name)
    later(page, "Good morning", "Tomorrow at 9")
    waiting = page.locator("conversation-view .scheduled")
    expect(waiting).to_contain_text("Good morning")
    expect(page.get_by_label("Write a message")).to_have_value("")
    waiting.get_by_role("button", name="Change").click()
    page.locator("dialog").get_by_label("Words").fill("Good morning, Ana")
    page.locator("dialog").get_by_role("button", name="Save").click()
    expect(waiting).to_contain_text("Good morning, Ana")
    later(page, "Never mind", "Monday at 9")
    expect(waiting).to_have_count(2)
    page.get_by_role("link", name="Scheduled").click()
    never = page.locator(".scheduled", has_text="Never mind")
    expect(never.get_by_role("link", name=name)).to_be_visible()
    never.get_by_role("button", name="Do not send it").click()
    page.locator("dialog").get_by_role("button", name="Do not send it").click()
    expect(never).to_have_count(0)
    page.get_by_role("link", name="Inbox").click()
    choose(page, name)
    expect(waiting).to_have_count(1)
    with shared_system.operator() as operator:
        kept = operator.call("GET", f"/v1/scheduled-messages?conversation_id={page.url.rpartition('/')[2]}")
        [message] = kept["scheduled_messages"]
        operator.call("PATCH", f"/v1/scheduled-messages/{message['message_id']}", {"send_at": rfc3339(now_ms())})
    expect(ours(page, "Good morning, Ana").locator(".ticks[data-state=READ]")).to_have_count(1)
    expect(waiting).to_have_count(0)
    assert len(shared_system.phones.sent("whatsapp", address)) == 1


def test_who_is_in_another_workspace_signs_in_there(visit: Callable[..., Visit], shared_system: System) -> None:
    """It is asked for once there are several, and remembered. There one sees nothing of `default`, whose client is nobody."""
    _, name = somebody(shared_system, "Is this shop north?")
    door = visit().open()
    more = door.locator("details", has_text="Another workspace")
    with closing(open_store(shared_system.settings)) as store:
        assert store.workspaces(1) == []
        expect(door.get_by_label("Workspace", exact=True)).to_be_hidden()
        more.locator("summary").click()
        expect(door.get_by_label("Workspace", exact=True)).to_be_visible()
        assert store.put_workspace(Workspace("north"))
        secret = create_client(scoped(store, "north"), "boss", ["manage", "send"])
    door.reload()
    expect(more).to_have_attribute("open", "")
    door.get_by_label("Workspace", exact=True).fill("north")
    door.locator("#name").fill("demo")
    door.locator("#secret").fill(shared_system.demo_password("demo"))
    door.locator("#secret").press("Enter")
    expect(door.get_by_role("alert").last).not_to_be_empty()
    door.locator("#name").fill("boss")
    door.locator("#secret").fill(secret)
    door.locator("#secret").press("Enter")
    live(door)
    expect(door.locator("conversation-list")).to_be_visible()
    expect(door.locator("conversation-list")).not_to_contain_text(name)
    door.get_by_role("button", name="Sign out").click()
    expect(door.get_by_label("Workspace", exact=True)).to_have_value("north")
    door.get_by_label("Workspace", exact=True).fill("")
    door.locator("#name").fill("demo")
    door.locator("#secret").fill(shared_system.demo_password("demo"))
    door.locator("#secret").press("Enter")
    choose(door, name)


def test_one_sees_who_types(visit: Callable[..., Visit], shared_system: System) -> None:
    """Somebody else who answers, until they have said it; not oneself."""
    _, name = somebody(shared_system, "Is anybody there?")
    page = visit().sign_in()
    choose(page, name)
    live(page)
    line = page.locator("typing-line")
    expect(line).to_be_hidden()
    talk = page.url.rpartition("/")[2]
    with closing(open_store(shared_system.settings)) as store:
        secret = create_client(store, "colleague", ["manage"])
    with shared_system.login("colleague", secret) as colleague:
        colleague.call("POST", f"/v1/conversations/{talk}/typing")
        expect(line).to_contain_text("typing")
        expect(line).to_be_hidden(timeout=10_000)


def test_what_agents_do_with_messages(visit: Callable[..., Visit], shared_system: System) -> None:
    """Reply with a quote, react, edit, delete; a file by choosing and one by pasting, each shown from a signed URL."""
    _, name = somebody(shared_system, "My order is late")
    page = visit().sign_in()
    choose(page, name)
    theirs(page, "My order").focus()
    page.keyboard.press("r")
    page.keyboard.type("We look into it")
    page.keyboard.press("Enter")
    expect(ours(page, "We look into it").locator(".quote")).to_contain_text("My order is late")
    expect(ours(page, "We look into it").locator(".ticks[data-state=READ]")).to_have_count(1)
    theirs(page, "My order").hover()
    theirs(page, "My order").first.get_by_role("button", name="React").click()
    page.get_by_role("button", name="React with 👍").click()
    expect(theirs(page, "My order").first.locator(".reactions")).to_contain_text("👍")
    page.locator("h2").click()
    page.keyboard.press("e")
    expect(page.get_by_label("Write a message")).to_have_value("We look into it")
    say(page, "We looked into it")
    expect(ours(page, "We looked into it").locator(".edited")).to_have_count(1)
    page.get_by_label("Attach a file").last.set_input_files(PICTURE)
    page.get_by_role("button", name="Send file").click()
    expect(page.locator(".bubble.ours img.picture")).to_have_count(1)
    expect(page.locator(".bubble.ours img.picture")).to_have_js_property("naturalWidth", 1000)
    page.get_by_label("Write a message").evaluate(
        """(field) => { const data = new DataTransfer();
        data.items.add(new File(["as pasted"], "note.txt", {type: "text/plain"}));
        field.dispatchEvent(new ClipboardEvent("paste", {clipboardData: data, bubbles: true, cancelable: true})); }"""
    )
    page.get_by_role("button", name="Send file").click()
    pasted = page.locator(".bubble.ours", has_text="note.txt")
    expect(pasted.locator(".ticks[data-state=READ]")).to_have_count(1)
    with page.expect_download() as saving:
        pasted.get_by_role("button", name="Save note.txt").click()
    assert Path(saving.value.path()).read_text() == "as pasted"
    ours(page, "We looked into it").hover()
    ours(page, "We looked into it").get_by_role("button", name="Delete").click()
    page.locator("dialog").get_by_role("button", name="Delete").click()
    expect(page.locator(".bubble.ours .gone")).to_have_count(1)


def test_what_was_not_sent_says_so_and_is_sent_once(visit: Callable[..., Visit], shared_system: System) -> None:
    """Without an answer a bubble never claims more than it knows; tried again it is the same message, and drafts are kept."""
    address, name = somebody(shared_system, "Hello?")
    page = visit().sign_in()
    choose(page, name)
    tried: list[str] = []

    def loses_the_first(route: Route) -> None:
        tried.append(route.request.post_data or "")
        if len(tried) == 1:
            return route.abort()
        if len(tried) > 2:
            return route.continue_()
        route.fetch()
        return route.fulfill(status=503, json={"code": "outcome_unknown", "status": 503, "detail": "outcome unknown"})

    page.route("**/v1/messages", loses_the_first)
    say(page, "Once only")
    expect(ours(page, "Once only")).to_have_count(1)
    expect(ours(page, "Once only").locator(".ticks[data-state=READ]")).to_have_count(1)
    page.unroute("**/v1/messages")
    assert len(tried) > 1 and len(set(tried)) == 1
    got = [each for each in shared_system.phones.sent("whatsapp", address) if "Once only" in json.dumps(each)]
    assert len(got) == 1
    page.route("**/v1/messages", lambda route: route.fulfill(status=422, json={"code": "text_too_long", "status": 422}))
    say(page, "Refused")
    expect(ours(page, "Refused").get_by_role("alert")).to_contain_text("Make it shorter")
    page.unroute("**/v1/messages")
    ours(page, "Refused").get_by_role("button", name="Try again").click()
    expect(ours(page, "Refused").locator(".ticks[data-state=READ]")).to_have_count(1)
    page.get_by_label("Write a message").fill("half a thought")
    page.reload()
    expect(page.get_by_label("Write a message")).to_have_value("half a thought")


def test_a_dead_letter_is_replayed(visit: Callable[..., Visit], shared_system: System) -> None:
    """It says why and what to do; tried dry it says what would happen, then it happens, and the words are in the inbox."""
    account = open_channel("whatsapp", shared_system.settings).account.account_id
    words, sender, letter_id = f"found again {uuid4().hex[:6]}", f"5511{str(uuid4().int)[:9]}", str(uuid4())
    message = {
        "from": sender,
        "id": f"wamid.{letter_id}",
        "timestamp": str(now_ms() // 1000),
        "type": "text",
        "text": {"body": words},
    }
    value = {"metadata": {"phone_number_id": account}, "messages": [message]}
    body = {"object": "whatsapp_business_account", "entry": [{"id": "1", "changes": [{"field": "messages", "value": value}]}]}
    letter = DeadLetter(letter_id, now_ms(), "unclaimed", "unclaimed_account", channel="whatsapp", account=account)
    with closing(open_store(shared_system.settings)) as store:
        store.keep_webhooks([(letter, json.dumps(body).encode())])
    page = visit().sign_in(place="#/letters")
    row = page.locator(".letter", has_text=letter_id)
    page.locator(".letter summary").last.click()
    expect(row).to_contain_text("It is for an account that is not ours.")
    expect(row).to_contain_text("then replay it")
    row.get_by_role("button", name="Show what came").click()
    expect(row.locator("pre")).to_contain_text(words)
    row.get_by_role("button", name="Try without doing it").click()
    expect(row.get_by_role("status")).to_contain_text("would be read: 1")
    row.get_by_role("button", name="Replay", exact=True).click()
    expect(row.get_by_role("status")).to_contain_text("that were read: 1")
    page.get_by_role("link", name="Inbox").click()
    expect(page.locator(".row", has_text=words)).to_have_count(1)


def test_a_webhook_is_made_tested_mended_and_recovered(
    visit: Callable[..., Visit], shared_system: System, tmp_path: Path
) -> None:
    """Its secret is told once; a call says what was sent and answered; what it missed while it was off is told again."""
    agent = visit()
    page = agent.sign_in(place="#/webhooks")
    with endpoint(tmp_path / "endpoint") as told:
        url = told.url(f"/{uuid4().hex[:6]}")
        page.get_by_role("button", name="New endpoint").click()
        page.get_by_label("Where it is called").fill("http://10.0.0.1/inside")
        page.get_by_role("button", name="Make the endpoint").click()
        expect(page.locator(".sheet").get_by_role("alert")).not_to_be_empty()
        page.get_by_label("Where it is called").fill(url)
        page.get_by_text("Which events, headers, pace").click()
        page.get_by_label("message.accepted").check()
        page.get_by_role("button", name="Make the endpoint").click()
        secret = page.locator(".secret").inner_text()
        page.get_by_role("button", name="Send a test").click()
        refused = page.locator(".letter", has_text="answered 500").first
        refused.locator("summary").click()
        expect(refused).to_contain_text("See its own log at this time")
        expect(refused.locator("pre").first).to_contain_text('"type": "webhook.test"')
        told.trusts(urlsplit(url).path, secret)
        page.get_by_role("button", name="Send a test").click()
        expect(page.locator(".letter", has_text="answered 204").first).to_be_visible(timeout=PATIENCE_MS)
        page.get_by_role("button", name="Disable").click()
        expect(page.locator("h1 + p .light")).to_have_text("disabled")
        _, name = somebody(shared_system, "Said while it was off")
        inbox = agent.open("#/inbox", agent.tab())
        choose(inbox, name)
        page.get_by_role("button", name="Enable").click()
        page.get_by_role("button", name="Recover").click()
        page.get_by_role("button", name="Tell it again").click()
        path = urlsplit(url).path
        wait_until("it heard", lambda: any("while it was off" in json.dumps(each.event) for each in told.heard(path)), 20)
        expect(page.locator(".letter .badge", has_text="recovery").first).to_be_visible()
        page.get_by_role("button", name="Rotate the secret").click()
        page.locator("dialog").get_by_role("button", name="Rotate the secret").click()
        assert page.locator(".secret").inner_text() != secret
        page.reload()
        expect(page.get_by_role("heading", name=url)).to_be_visible()
        assert secret not in page.content()
        page.get_by_role("button", name="Delete").click()
        page.locator("dialog").get_by_role("button", name="Delete").click()
        expect(page.get_by_role("button", name="New endpoint")).to_be_visible()
        expect(page.locator(".place", has_text=url)).to_have_count(0)


TOLD = dict.fromkeys(("conversation_id", "event_id", "request", "response", "error", "type", "manual"), ATTACK)


@on_embedded
def test_what_an_endpoint_answers_is_text(visit: Callable[..., Visit]) -> None:
    """Markup in an endpoint's URL, headers and filter, in what was sent to it and in what it answered is shown as it is."""
    page = visit().sign_in()
    at = "2026-01-01T00:00:00Z"
    made: dict[str, Any] = {
        "webhook_id": "w",
        "url": ATTACK,
        "events": [ATTACK],
        "filter": {"labels": [ATTACK]},
        "header_names": [ATTACK],
    }
    made |= {"throttle": 0, "status": "disabled", "reason": ATTACK, "created_at": at, "changed_at": at}
    call: dict[str, Any] = {**TOLD, "call_id": "c", "at": at, "number": 2, "status": 0, "took_ms": 3}
    page.route(re.compile(r"/v1/webhooks\?"), lambda route: route.fulfill(json={"webhooks": [made]}))
    page.route(re.compile(r"/v1/webhooks/w$"), lambda route: route.fulfill(json=made))
    page.route(re.compile(r"/v1/webhooks/w/deliveries"), lambda route: route.fulfill(json={"deliveries": [call]}))
    page.get_by_role("link", name="Webhooks").click()
    expect(page.locator(".place")).to_contain_text(ATTACK)
    inert(page)
    page.locator(".place").click()
    page.locator(".letter summary").click()
    expect(page.locator(".letter pre").first).to_have_text(ATTACK)
    page.get_by_role("button", name="Edit").click()
    inert(page)


def test_an_account_is_added_by_the_guide(visit: Callable[..., Visit], graph: Provider) -> None:
    """What the provider does not accept is said at its step with how it is mended; mended, every step it knows of is green."""
    page = visit().sign_in(place="#/accounts")
    expect(page.locator(".place", has_text="whatsapp")).to_contain_text("simulated")
    page.get_by_role("link", name="Messenger").last.click()
    expect(page.locator(".told li")).to_have_count(3)
    page.get_by_label("What you call it").fill("Shop")
    page.get_by_label("Page id").fill(graph.account)
    page.get_by_label("Token", exact=False).first.fill(graph.token)
    page.get_by_label("App secret").fill("another-secret")
    graph.wrong = {"apps": []}
    page.get_by_role("button", name="Connect and check").click()
    step = page.locator(".step")
    expect(step).to_have_count(6)
    expect(page.locator(".step[data-step=token]")).to_have_class("step done")
    expect(page.locator(".step[data-step=secret]")).to_contain_text("Copy it from App settings, Basic")
    expect(page.locator(".step[data-step=subscription]")).to_contain_text("Press “Set the webhook”")
    expect(page.locator("h1 + p .light")).to_contain_text("not confirmed yet")
    page.get_by_role("button", name="Rotate credentials").click()
    page.get_by_label("App secret").fill(graph.secret)
    page.get_by_role("button", name="Save").click()
    expect(page.locator(".step[data-step=secret]")).to_have_class("step done")
    expect(page.locator("h1 + p .light")).to_have_text("active")
    graph.wrong = {}
    page.get_by_role("button", name="Check", exact=True).click()
    expect(page.locator(".step.done")).to_have_count(5)
    expect(page.locator(".step[data-step=address]")).to_contain_text("CHAT4ALL_PUBLIC_URL")
    page.get_by_role("button", name="Pause").click()
    expect(page.locator("h1 + p .light")).to_contain_text("messages wait")
    page.get_by_role("button", name="Resume").click()
    expect(page.locator("h1 + p .light")).to_have_text("active")
    page.get_by_label("To", exact=True).fill("17841400001")
    page.get_by_role("button", name="Send it").click()
    expect(page.get_by_role("alert")).to_contain_text("Let them write first")
    assert graph.secret not in page.content() and graph.token not in page.content()
    page.get_by_role("button", name="Remove").click()
    page.locator("dialog").get_by_role("button", name="Remove").click()
    expect(page.get_by_role("heading", name="Connect another")).to_be_visible()
    expect(page.locator(".place", has_text="Shop")).to_have_count(0)


def test_a_conversation_is_closed_and_its_customer_opens_it(visit: Callable[..., Visit], shared_system: System) -> None:
    """Assigned and closed by one agent, as another sees at once; the next words of the customer open it again."""
    address, name = somebody(shared_system, "One more thing")
    agent = visit()
    page = agent.sign_in()
    choose(page, name)
    other = agent.open(page.url.partition("/console")[2], agent.tab())
    live(other)
    expect(theirs(other, "One more thing")).to_have_count(1)
    page.locator("h2").click()
    page.keyboard.press("a")
    expect(other.locator("handling-bar")).to_contain_text("Assigned to me")
    page.get_by_label("Which conversations").select_option("open")
    page.get_by_role("button", name="Close").click()
    expect(page.locator("handling-bar").get_by_role("status")).to_have_text("closed")
    page.get_by_role("button", name="Undo").click()
    expect(page.locator("handling-bar").get_by_role("status")).to_have_text("open")
    expect(other.locator("handling-bar")).to_contain_text("Assigned to me")
    page.get_by_role("button", name="Close").click()
    expect(page.locator("handling-bar").get_by_role("status")).to_have_text("closed")
    expect(other.locator("handling-bar").get_by_role("status")).to_have_text("closed")
    expect(page.locator(".row", has_text=name)).to_have_count(0)
    page.get_by_label("Which conversations").select_option("closed")
    expect(page.locator(".row", has_text=name)).to_have_count(1)
    page.get_by_label("Which conversations").select_option("mine")
    expect(page.locator(".row", has_text=name)).to_have_count(1)
    shared_system.phones.write("whatsapp", address, "Wait, still here", name=name)
    expect(page.locator("handling-bar").get_by_role("status")).to_have_text("open")
    expect(other.locator("handling-bar").get_by_role("status")).to_have_text("open")


SLOW_ANSWERS = """() => {
    const start = window.fetch;
    window.fetch = async (path, how) => {
        const answer = await start(path, how);
        if (how?.method === "PATCH") await new Promise(done => setTimeout(done, 1500));
        return answer;
    };
}"""
"""Others hear of a change by the stream before the page that made it has its answer."""


def test_what_a_team_says_and_decides_stays_in_the_house(visit: Callable[..., Visit], shared_system: System) -> None:
    """A note is apart from messages and reaches no phone; label, priority and hand-over are seen by others at once."""
    address, name = somebody(shared_system, "Is my parcel lost?")
    agent = visit()
    page = agent.sign_in()
    choose(page, name)
    other = agent.open(page.url.partition("/console")[2], agent.tab())
    live(other)
    expect(theirs(other, "Is my parcel")).to_have_count(1)
    page.locator("h2").click()
    page.keyboard.press("n")
    page.keyboard.type("She is a good customer")
    page.keyboard.press("Enter")
    for each in (page, other):
        expect(each.locator(".bubble.note", has_text="She is a good")).to_contain_text("for the team only")
    page.get_by_role("button", name="Note", exact=True).click()
    say(page, "We look for it")
    expect(ours(page, "We look for it").locator(".ticks[data-state=READ]")).to_have_count(1)
    page.evaluate(SLOW_ANSWERS)
    page.get_by_text("More", exact=True).click()
    page.get_by_label("Labels").fill("parcel vip")
    page.get_by_label("Labels").press("Tab")
    page.get_by_label("Priority").select_option("urgent")
    page.get_by_label("Who answers").select_option("human")
    for words in ("parcel", "vip", "urgent", "a human answers"):
        expect(other.locator("handling-bar .badge", has_text=words)).to_have_count(1)
    page.keyboard.press("Escape")
    page.locator("h2").click()
    page.keyboard.press("z")
    expect(other.locator("handling-bar .badge", has_text="a human answers")).to_have_count(0)
    expect(other.locator("handling-bar .badge", has_text="urgent")).to_have_count(1)
    page.get_by_role("button", name="Saved replies").click()
    shortcut = f"found-{uuid4().hex[:6]}"
    page.get_by_text("Keep a reply").click()
    page.get_by_label("Title").fill(MARKUP)
    page.get_by_label("Shortcut").fill(shortcut)
    page.get_by_label("Words of the reply").fill("{{first_name}}, we found it")
    page.locator("dialog").get_by_role("button", name="Save", exact=True).click()
    page.locator("dialog .place", has_text=shortcut).click()
    expect(page.get_by_label("Write a message")).to_have_value("Ana, we found it")
    inert(page)
    page.get_by_label("Write a message").press("Enter")
    expect(ours(page, "we found it").locator(".ticks[data-state=READ]")).to_have_count(1)
    page.reload()
    expect(page.locator(".bubble.note")).to_have_count(1)
    assert [each["text"] for each in shared_system.phones.sent("whatsapp", address)] == ["We look for it", "Ana, we found it"]


NOTICED = """
    window.noticed = [];
    window.Notification = class { constructor(title, {body}) { noticed.push(`${title}: ${body}`); }
        static permission = "granted"; static requestPermission() { return Promise.resolve("granted"); } };
    const start = OscillatorNode.prototype.start;
    OscillatorNode.prototype.start = function (at) { noticed.push("tone"); return start.call(this, at); };
"""


def test_what_is_not_read_is_counted_and_told_by_choice(visit: Callable[..., Visit], shared_system: System) -> None:
    """How much is unread is the same in each tab and after loading again, until it is read; sound and notifications are asked
    for first.
    """
    address, name = somebody(shared_system, "First")
    agent = visit()
    agent.context.add_init_script(NOTICED)
    page = agent.sign_in()
    row = page.locator(".row", has_text=name)
    expect(row.locator(".fresh")).to_have_text(re.compile("1$"))
    shared_system.phones.write("whatsapp", address, "Second", name=name)
    expect(row.locator(".fresh")).to_have_text(re.compile("2$"))
    assert page.evaluate("noticed") == []
    page.get_by_role("button", name="Your settings").click()
    page.get_by_label("A short sound").check()
    page.get_by_label("Notifications of the browser").check()
    page.locator("dialog").get_by_role("button", name="Close").click()
    shared_system.phones.write("whatsapp", address, "Third", name=name)
    expect(row.locator(".fresh")).to_have_text(re.compile("3$"))
    assert page.evaluate("noticed") == ["tone", "tone", f"{name}: Third"]
    other = agent.open("", agent.tab())
    live(other)
    expect(other.locator(".row", has_text=name).locator(".fresh")).to_have_text(re.compile("3$"))
    other.get_by_label("Which conversations").select_option("unread")
    choose(page, name)
    expect(theirs(page, "Third")).to_have_count(1)
    expect(other.locator(".row", has_text=name)).to_have_count(0)
    page.reload()
    expect(theirs(page, "Third")).to_have_count(1)
    page.keyboard.press("u")
    expect(row).to_have_count(1)
    expect(row.locator(".fresh")).to_have_count(0)


def test_a_member_of_the_team_is_thrown_out_and_a_key_is_made(visit: Callable[..., Visit], shared_system: System) -> None:
    """Disabled from the team's room, somebody is out within two seconds; a new client's secret is told once and signs in."""
    who, password, client = f"agent-{uuid4().hex[:8]}", "correct horse battery", f"desk-{uuid4().hex[:8]}"
    shared_system.register(who, password).close()
    thrown = visit().sign_in(who, password)
    page = visit().sign_in(place="#/team")
    page.get_by_label("Their user id").fill(who)
    page.get_by_role("button", name="Open", exact=True).click()
    page.get_by_text("Logins", exact=True).last.click()
    expect(page.get_by_text("last used").first).to_be_visible()
    page.locator(".sheet", has=page.get_by_role("heading", name=who)).get_by_role("button", name="Disable").click()
    page.locator("dialog").get_by_role("button", name="Disable").click()
    expect(thrown.get_by_role("alert")).to_contain_text("This session has ended", timeout=IN_FORCE_MS + 1500)
    page.get_by_text("New service client").click()
    page.get_by_label("Name", exact=True).fill(client)
    page.get_by_label("manage:").check()
    page.get_by_role("button", name="Make the client").click()
    secret = page.locator(".secret").inner_text()
    desk = visit().sign_in(client, secret, "#/letters")
    expect(desk.get_by_role("heading", name="Dead letters")).to_be_visible()
    expect(desk.locator(".empty")).to_contain_text("scope admin")
    expect(desk.get_by_role("link", name="Dead letters")).to_have_count(0)
    place = page.locator(".place", has_text=client)
    place.get_by_role("button", name="Remove").click()
    page.locator("dialog").get_by_role("button", name="Remove").click()
    expect(desk.get_by_role("alert")).to_contain_text("This session has ended", timeout=IN_FORCE_MS + 1500)
    expect(place).to_have_count(0)


MARKUP = ATTACK.partition("//")[2][:60]


def test_a_contact_is_brought_in_and_described(visit: Callable[..., Visit], shared_system: System) -> None:
    """By an address; found again by it and by a tag. What makes no address is said; markup in names is text."""
    page = visit().sign_in(place="#/contacts/new")
    address, tag = f"whatsapp:+5511{str(uuid4().int)[:9]}", f"t{uuid4().hex[:6]}"
    page.get_by_label("Address").fill("nonsense")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("alert")).not_to_be_empty()
    page.get_by_label("Address").fill(address)
    page.get_by_label("What the team calls them").fill(MARKUP)
    page.get_by_label("Tags").fill(f"{tag} vip")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("heading", level=1)).to_have_text(MARKUP)
    inert(page)
    consent = page.locator(".place", has_text="WhatsApp")
    expect(consent).to_contain_text("did not say")
    consent.get_by_role("button", name="They want none").click()
    expect(consent).to_contain_text("The team says so")
    page.get_by_label("Notes").fill(f"Pays in cash {MARKUP}")
    page.get_by_role("button", name="Save").click()
    page.reload()
    expect(page.get_by_label("Notes")).to_have_value(f"Pays in cash {MARKUP}")
    for words in (address, tag):
        page.get_by_role("link", name="All contacts").click() if words == address else None
        page.get_by_label("A tag, or channel:address").fill(words)
        page.get_by_role("button", name="Find").click()
        expect(page.locator(".place")).to_have_count(1)
        expect(page.locator(".place")).to_contain_text(MARKUP)
    inert(page)


def test_who_signs_out_or_is_disabled_is_out_at_once(visit: Callable[..., Visit], shared_system: System) -> None:
    """In every tab, within two seconds; what scripts can read never held a token; going back shows nothing."""
    system = shared_system
    who, password = f"agent-{uuid4().hex[:8]}", "correct horse battery"
    system.register(who, password).close()
    agent = visit()
    page = agent.sign_in(who, password)
    expect(page.locator(".empty").first).to_contain_text("You see the conversations that you are a member of")
    other = agent.open("", agent.tab())
    live(other)
    kept = page.evaluate("JSON.stringify([document.cookie, {...localStorage}, {...sessionStorage}])")
    assert "eyJ" not in kept
    assert [each["name"] for each in agent.context.cookies() if not each.get("httpOnly")] == []
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("alert")).to_contain_text("You have signed out")
    expect(other.get_by_role("alert")).to_contain_text("This session has ended", timeout=IN_FORCE_MS + 1500)
    page.reload()
    expect(page.get_by_role("button", name="Sign in")).to_be_visible()
    agent.sign_in(who, password)
    with system.operator() as operator:
        operator.call("POST", f"/v1/users/{who}/disable")
    expect(page.get_by_role("alert")).to_contain_text("This session has ended", timeout=IN_FORCE_MS + 1500)
    page.get_by_label("Your name here").fill(who)
    page.get_by_label("Password").fill(password)
    page.get_by_label("Password").press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("This account is disabled")


def test_nothing_that_anybody_says_becomes_part_of_the_page(visit: Callable[..., Visit], shared_system: System) -> None:
    """Markup and scripts in every field of every kind of content, in names, file names and reasons, is shown as it was said."""
    _, name = somebody(shared_system, ATTACK, file={"filename": f"{ATTACK}.txt", "mime_type": "text/plain", "content": "eA=="})
    page = visit().sign_in()
    choose(page, name)
    expect(theirs(page, ATTACK).first).to_be_visible()

    def poisoned(route: Route) -> None:
        answer = route.fetch()
        body = answer.json()
        if not body["messages"]:  # A conversation of another story, in which nothing was said.
            return route.fulfill(response=answer)
        first = body["messages"][0]
        body["messages"] = [attacked(first, number, payload) for number, payload in enumerate(payloads(), 1)]
        body["messages"][-1]["deliveries"] = [failed_delivery()]
        return route.fulfill(response=answer, json=body)

    def named(route: Route) -> None:
        body = {**route.fetch().json(), "metadata": {"title": ATTACK}}
        for member in body["members"]:
            member["display_name"] = ATTACK
        route.fulfill(json=body)

    page.route(re.compile(r"/v1/conversations/[^/]+/messages"), poisoned)
    page.route(re.compile(r"/v1/conversations/[^/?]+$"), named)
    page.reload()
    expect(page.locator(".bubble")).to_have_count(len(payloads()))
    expect(page.locator("conversation-view h2")).to_have_text(ATTACK)
    inert(page)
    page.locator(".bubble.theirs").first.focus()
    page.keyboard.press("r")
    expect(page.locator(".about")).to_be_visible()
    inert(page)

    def told(route: Route) -> None:
        if route.request.resource_type == "document":
            return route.continue_()
        found = route.fetch().json()
        found |= {"payload": {"type": "text", "text": ATTACK}, "sender_name": ATTACK, "deliveries": [failed_delivery()]}
        return route.fulfill(json=found)

    page.route(re.compile(r"/v1/messages/[^/]+\?"), told)
    message = page.locator(".bubble").first.get_attribute("data-id")
    page.goto(page.url.replace("#/inbox/", "#/message/") + f"/{message}")
    expect(page.locator(".branch")).to_contain_text(ATTACK)
    inert(page)
    letter = dict.fromkeys(("letter_id", "stage", "reason", "record", "channel", "account", "delivery"), ATTACK)
    letters = {"dead_letters": [{**letter, "attempts": 1, "at": "2026-01-01T00:00:00Z", "first_at": "2026-01-01T00:00:00Z"}]}
    page.route("**/v1/dead-letters?**", lambda route: route.fulfill(json=letters))
    page.get_by_role("link", name="Dead letters").click()
    expect(page.locator(".letter summary")).to_contain_text(ATTACK)
    inert(page)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [NARROW, WIDE], ids=["360", "1600"])
@on_embedded
def test_everybody_can_use_every_room(
    visit: Callable[..., Visit], shared_system: System, scheme: Any, size: Any, tmp_path: Path
) -> None:
    """axe finds nothing and nothing is wider than the screen: each room, by day and by night, on a phone and a large screen."""
    _, name = somebody(shared_system, "مرحبا، هل الطلب جاهز؟", channel="telegram")
    seen = visit(viewport=size, color_scheme=scheme)
    page = seen.open()
    look(page, tmp_path / "door.png")
    seen.sign_in()
    expect(page.locator(".row", has_text=name)).to_have_count(1)
    look(page, tmp_path / "inbox.png")
    choose(page, name)
    say(page, "Yes, it is ready. https://example.com/" + "a-long-word-without-any-space" * 4)
    expect(ours(page, "it is ready").locator(".ticks[data-state=SENT]")).to_have_count(1)
    expect(theirs(page, "مرحبا").locator(".said")).to_have_css("direction", "rtl")
    page.get_by_role("button", name="Note", exact=True).click()
    page.get_by_label("Write a note for the team").fill("He asked twice")
    page.get_by_label("Write a note for the team").press("Enter")
    expect(page.locator(".bubble.note")).to_have_count(1)
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Saved replies").click()
    page.get_by_text("Keep a reply").click()
    look(page, tmp_path / "replies.png")
    page.locator("dialog").get_by_role("button", name="Close").click()
    page.get_by_text("More", exact=True).click()
    look(page, tmp_path / "handling.png")
    page.get_by_text("More", exact=True).click()
    page.get_by_role("button", name="Note", exact=True).click()
    later(page, "See you on Monday", "Monday at 9")
    expect(page.locator(".scheduled", has_text="See you on Monday")).to_be_visible()
    page.get_by_role("button", name="Assign to me").click()
    expect(page.locator(".toast")).to_be_visible()
    look(page, tmp_path / "conversation.png")
    ours(page, "it is ready").locator(".way").click()
    expect(page.locator(".branch")).to_have_count(1)
    look(page, tmp_path / "message.png")
    rooms = [
        "Scheduled messages",
        "Contacts",
        "Team and keys",
        "Accounts",
        "Webhooks",
        "Broadcasts",
        "Templates",
        "Dead letters",
    ]
    for room in [*rooms, "Health"]:
        page.get_by_role("link", name=room.removesuffix(" messages")).click()
        expect(page.get_by_role("heading", name=room, exact=True)).to_be_visible()
        look(page, tmp_path / f"{room}.png")
    page.goto(page.url.partition("#")[0] + "#/accounts/new/whatsapp")
    expect(page.get_by_role("button", name="Connect and check")).to_be_visible()
    look(page, tmp_path / "guide.png")
    page.goto(page.url.partition("#")[0] + "#/accounts/whatsapp")
    expect(page.get_by_role("status").filter(has_text="This channel is simulated")).to_be_visible()
    look(page, tmp_path / "account.png")
    page.goto(page.url.partition("#")[0] + "#/webhooks")
    page.get_by_role("button", name="New endpoint").click()
    page.get_by_label("Where it is called").fill("https://shop.example/hook")
    page.get_by_text("Which events, headers, pace").click()
    look(page, tmp_path / "new endpoint.png")
    page.get_by_role("button", name="Make the endpoint").click()
    expect(page.locator(".secret")).to_be_visible()
    look(page, tmp_path / "endpoint.png")
    page.locator(".only-now").get_by_role("button", name="I have kept it").click()
    page.get_by_role("button", name="Delete").click()
    look(page, tmp_path / "sure.png")
    page.locator("dialog").get_by_role("button", name="Delete").click()
    expect(page.get_by_role("button", name="New endpoint")).to_be_visible()
    page.keyboard.press("?")
    expect(page.locator("dialog")).to_be_visible()
    look(page, tmp_path / "keys.png")


@on_embedded
def test_health_says_what_providers_say_of_accounts(visit: Callable[..., Visit]) -> None:
    """An account that people report says so, with what to do; a broadcast that runs says how fast it may send."""
    page = visit().sign_in()
    advice = [{"code": "quality_low", "said": f"Its quality is RED. {ATTACK}", "mend": ""}]
    told = {"account_id": "whatsapp", "state": "active", "quality": "RED", "tier": ATTACK, "advice": advice}
    page.route("**/v1/accounts/whatsapp/health", lambda route: route.fulfill(json=told))
    one = {
        "broadcast_id": "b",
        "name": ATTACK,
        "state": "running",
        "channel": "whatsapp",
        "rate": 20,
        "counts": {"accepted": 3},
    }
    page.route(re.compile(r"/v1/broadcasts\?"), lambda route: route.fulfill(json={"broadcasts": [one]}))

    def limited(route: Route) -> None:
        answer = route.fetch()
        accounts = [each | {"limits": {"messages_per_second": 7}} for each in answer.json()["accounts"]]
        route.fulfill(response=answer, json={"accounts": accounts})

    page.route(re.compile(r"/v1/accounts\?"), limited)
    page.get_by_role("link", name="Health").click()
    expect(page.locator(".place", has_text="quality: RED")).to_be_visible()
    expect(page.locator(".help")).to_contain_text("People block or report it")
    expect(page.locator(".help")).to_contain_text("look which templates people block")
    expect(page.locator(".place", has_text="At most 20 messages a second; its account sends at most 7")).to_be_visible()
    inert(page)


@on_embedded
def test_the_keyboard_leads_everywhere(visit: Callable[..., Visit], shared_system: System) -> None:
    """j and k through conversations and messages, / to search, r to answer, e to edit, g and a letter to each room."""
    names = [somebody(shared_system, f"number {each}")[1] for each in range(2)]
    page = visit().sign_in()
    for name in names:
        expect(page.locator(".row", has_text=name)).to_have_count(1)
    page.keyboard.press("j")
    expect(page.locator("conversation-view h2")).to_have_text(page.locator(".row .title").nth(0).inner_text())
    page.keyboard.press("j")
    expect(page.locator("conversation-view h2")).to_have_text(page.locator(".row .title").nth(1).inner_text())
    page.keyboard.press("k")
    expect(page.locator(".row[aria-current]")).to_contain_text(page.locator(".row .title").nth(0).inner_text())
    page.keyboard.press("/")
    page.keyboard.type(names[0])
    expect(page.locator(".row")).to_have_count(1)
    page.keyboard.press("Escape")
    page.keyboard.press("j")
    expect(page.locator("conversation-view h2")).to_have_text(names[0])
    expect(theirs(page, "number 0")).to_have_count(1)
    page.keyboard.press("m")
    page.keyboard.press("r")
    expect(page.locator(".about")).to_contain_text("number 0")
    page.keyboard.press("Escape")
    page.keyboard.press("Escape")
    page.keyboard.press("g")
    page.keyboard.press("h")
    expect(page.get_by_role("heading", name="Health")).to_be_visible()
    page.keyboard.press("?")
    expect(page.locator("dialog kbd")).to_have_count(24)


@on_embedded
def test_the_page_speaks_portuguese_in_the_reader_s_zone(visit: Callable[..., Visit], shared_system: System) -> None:
    """By the browser's language, or chosen; times are those of where the reader is."""
    _, name = somebody(shared_system, "Que horas são?")
    brazilian = visit(locale="pt-BR", timezone_id="Asia/Tokyo")
    page = brazilian.open()
    page.get_by_label("Seu nome aqui").fill("demo")
    page.get_by_label("Senha").fill(shared_system.demo_password("demo"))
    page.get_by_label("Senha").press("Enter")
    expect(page.locator(".bar .light")).to_have_text("ao vivo")
    choose(page, name)
    shown = theirs(page, "Que horas").locator("time")
    wanted = shown.evaluate(
        """(each) => new Date(each.dateTime).toLocaleTimeString("pt-BR", {
            timeZone: "Asia/Tokyo", hour: "2-digit", minute: "2-digit"})"""
    )
    expect(shown).to_have_text(wanted)
    page.get_by_role("button", name="Suas preferências").click()
    page.get_by_label("Idioma").select_option("en")
    expect(page.get_by_role("link", name="Dead letters")).to_be_visible()
    page.reload()
    expect(page.get_by_role("button", name="Sign out")).to_be_visible()


@on_embedded
def test_ten_thousand_conversations_are_a_window(visit: Callable[..., Visit], shared_system: System) -> None:
    """The first paint is there within a second; few rows exist at any time, and scrolled to the end the last one is there."""
    page = visit().sign_in()
    each = {"type": "private", "members": [], "created_at": "2026-01-01T00:00:00Z", "members_version": 1}

    def pages(route: Route) -> None:
        begin = int(re.search(r"after=(\d+)", route.request.url)[1]) if "after=" in route.request.url else 0  # type: ignore[index]
        rows = [{**each, **numbered(number)} for number in range(begin, min(begin + 2000, 10_000))]
        route.fulfill(json={"conversations": rows} | ({"next": str(begin + 2000)} if begin + 2000 < 10_000 else {}))

    page.route(re.compile(r"/v1/conversations\?"), pages)
    page.route(re.compile(r"/v1/conversations/[^/]+/messages"), lambda route: route.fulfill(json={"messages": []}))
    page.reload()
    live(page)
    expect(page.locator(".row").first).to_be_visible()
    painted = page.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime")
    assert painted < FIRST_PAINT_MS
    scroll = page.locator("conversation-list .scroll")
    for loaded in range(2000, 12_000, 2000):
        expect(scroll.locator(".rows")).to_have_css("height", f"{loaded * 68}px")
        scroll.evaluate("(box) => { box.scrollTop = box.scrollHeight; }")
        assert 0 < page.locator(".row").count() < 60
    expect(page.locator(".row .title").last).to_have_text("Conversation 9999")


HISTORY = 100_000
TALK = "00000000-0000-4000-8000-000000000000"


@on_embedded
def test_a_hundred_thousand_messages_are_a_window(visit: Callable[..., Visit]) -> None:
    """The newest are there within a second; scrolled up and down again none is left out, and few exist."""
    seen = visit()
    seen.context.route(re.compile(f"/v1/conversations/{TALK}(\\?|$)"), lambda route: route.fulfill(json=numbered(0) | TALKING))
    seen.context.route(re.compile(f"/v1/conversations/{TALK}/messages"), history)
    page = seen.sign_in()
    took = page.evaluate(
        """async (place) => { const begun = performance.now(); location.hash = place;
        while (!document.querySelector(".bubble")) await new Promise(requestAnimationFrame);
        return performance.now() - begun; }""",
        f"#/inbox/{TALK}",
    )
    assert took < FIRST_PAINT_MS
    expect(page.locator(".bubble").last).to_contain_text(f"number {HISTORY}.")
    scroll = page.locator("conversation-view .scroll[role=log]")
    for _ in range(9):
        before = first(page)
        scroll.evaluate("(box) => { box.scrollTop = 0; }")
        wait_until("older ones are there", lambda before=before: first(page) < before, 10)  # type: ignore[misc]
        without_holes(page)
    assert first(page) < HISTORY - 400
    for _ in range(9):
        before = last(page)
        scroll.evaluate("(box) => { box.scrollTop = box.scrollHeight; }")
        if before == HISTORY:
            break
        wait_until("newer ones are there", lambda before=before: last(page) > before, 10)  # type: ignore[misc]
        without_holes(page)
    assert last(page) == HISTORY


FIRST_PAINT_MS = 1000
TALKING = {
    "type": "private",
    "conversation_id": TALK,
    "members": [],
    "created_at": "2026-01-01T00:00:00Z",
    "members_version": 1,
}


def history(route: Route) -> None:
    """A page of a long history, as the service pages it: the latest before a seq, or the first after one."""
    asked = {name: int(some[0]) for name, some in parse_qs(urlsplit(route.request.url).query).items() if some[0].isdigit()}
    limit, since, before = asked["limit"], asked.get("since"), asked.get("before", HISTORY + 1)
    begin = since + 1 if since is not None else max(1, before - limit)
    end = min(HISTORY + 1, begin + limit if since is not None else before)
    messages = [said_as(number) for number in range(begin, end)]
    more = {"next": str(end - 1)} if since is not None and end <= HISTORY else {"next": str(begin)} if begin > 1 else {}
    route.fulfill(json={"messages": messages} | more)


def said_as(number: int) -> dict[str, Any]:
    """Message `number` of the long history."""
    at = f"2026-01-{number * 28 // (HISTORY + 1) + 1:02}T00:00:00Z"
    return {
        "message_id": f"00000000-0000-4000-8000-{number:012}",
        "conversation_id": TALK,
        "seq": number,
        "sender": "somebody",
        "payload": {"type": "text", "text": f"number {number}. " + "word " * (number % 40)},
        "accepted_at": at,
        "deliveries": [],
    }


def numbers(page: Page) -> list[int]:
    ids = page.locator(".bubble").evaluate_all("(all) => all.map((each) => each.dataset.id)")
    return [int(each[-12:]) for each in ids]


def first(page: Page) -> int:
    return numbers(page)[0]


def last(page: Page) -> int:
    return numbers(page)[-1]


def without_holes(page: Page) -> None:
    """Each message follows the one before it, and there are not many."""
    shown = numbers(page)
    assert shown == list(range(shown[0], shown[0] + len(shown)))
    assert len(shown) <= 300


def numbered(number: int) -> dict[str, Any]:
    """What tells a conversation from the others; the lower its number, the later somebody spoke in it."""
    at = f"2025-01-01T00:00:00.{9999 - number:04}Z"
    return {
        "conversation_id": f"00000000-0000-4000-8000-{number:012}",
        "last_activity_at": at,
        "metadata": {"title": f"Conversation {number}"},
    }
