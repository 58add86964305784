"""Files in the simulator: people send them, and look at those that are sent to them."""

import hashlib
from base64 import b64encode
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from chat4all.model.clock import now_ms
from chat4all.model.content import Media
from chat4all.model.failures import Permanent
from chat4all.model.files import StoredFile
from chat4all.ports import FileLink, Inbound, Outgoing
from tasks.files.media import Fetcher
from tests.channels.conftest import serving
from tests.simulator.conftest import World, until
from tests.tasks.world import new_id
from tests.tasks.world import world as road

PEOPLE = {"whatsapp": "+5511999990001", "instagram": "6789012345", "telegram": "123456789", "messenger": "7789012345"}
DATA = b"%PDF tea"


async def said(world: World, channel: str) -> Inbound:
    """What comes of a person's PDF."""
    attached = {"filename": "tea.pdf", "mime_type": "application/pdf", "content": b64encode(DATA).decode()}
    body: dict[str, Any] = {"channel": channel, "from": PEOPLE[channel], "text": "look", "file": attached}
    await world.control("POST", "/inbound", 202, json=body)
    await until(lambda: bool(world.gateway.said))
    return world.gateway.said[-1]


@pytest.mark.parametrize("channel", PEOPLE)
async def test_a_persons_file_can_be_fetched(world: World, channel: str, tmp_path: Path) -> None:
    """The channel understands the webhook, and the worker gets the very bytes in the provider's own way."""
    import asyncio

    inbound = await said(world, channel)
    assert inbound.media
    row = StoredFile(
        new_id(channel), new_id("c"), "eve", "tea.pdf", "application/pdf", 0, 0, 1,
        channel=channel, media=inbound.media, expires_at=now_ms() + 60_000,
    )  # fmt: skip
    with road(world.settings.data, simulator_port=world.settings.simulator_port) as made:
        made.store.add_files([row])
        await asyncio.to_thread(Fetcher(made.parts).fetch, row.file_id)
        ready = made.store.files([row.file_id])[row.file_id]
        assert (ready.status, ready.checksum) == ("ready", hashlib.sha256(DATA).hexdigest())
        assert b"".join(made.parts.objects.read(ready.object_key)) == DATA


@pytest.mark.parametrize("channel", PEOPLE)
async def test_what_is_sent_by_link_is_looked_at(world: World, channel: str) -> None:
    """The simulated provider fetches the link, and says how much was behind it."""

    async def behind(_request: Any) -> web.Response:
        return web.Response(body=DATA, content_type="application/pdf")

    async with serving(behind) as url:
        file = Media("f", "", "tea.pdf", "application/pdf", len(DATA), "k")
        await world.channels[channel].send_file(Outgoing(PEOPLE[channel], "", "r"), file, FileLink(f"{url}/tea.pdf"))
        simulated = world.simulator.channels[channel]
        await until(lambda: simulated.counts["media_fetched"] == 1)
        [arrival] = await world.sent(channel=channel)
    assert (arrival["media_size"], arrival["media_sha256"]) == (len(DATA), hashlib.sha256(DATA).hexdigest())


WRONG = {
    "nothing there": (404, "application/pdf", DATA),
    "a web page": (200, "text/html", b"<p>sign in</p>"),
    "too large": (200, "image/png", b"x" * ((8 << 20) + 1)),
}
FILES = {
    "a web page": Media("f", "", "cat.png", "image/png", 5, "k"),
    "nothing there": Media("f", "", "tea.pdf", "application/pdf", 8, "k"),
    "too large": Media("f", "", "cat.png", "image/png", 5, "k"),
}


@pytest.mark.parametrize("channel", PEOPLE)
@pytest.mark.parametrize("why", WRONG)
async def test_a_file_that_the_provider_does_not_take(world: World, channel: str, why: str) -> None:
    """Behind the link is nothing, another kind of thing, or too much of it: refused at once, or failed later on WhatsApp."""
    status, content_type, body = WRONG[why]

    async def behind(_request: Any) -> web.Response:
        return web.Response(status=status, body=body, content_type=content_type)

    opened = world.channels[channel]
    async with serving(behind) as url:
        sending = opened.send_file(Outgoing(PEOPLE[channel], "", "r"), FILES[why], FileLink(f"{url}/file"))
        if channel == "whatsapp":
            provider_id = await sending
            await until(lambda: world.gateway.receipts(provider_id) == ["failed"])
            return
        with pytest.raises(Permanent):
            await sending
    assert await world.sent(channel=channel) == []


async def test_nobody_else_gets_a_persons_file(world: World) -> None:
    """WhatsApp's media want the account's token."""
    inbound = await said(world, "whatsapp")
    async with aiohttp.ClientSession() as session:
        for path in (f"/whatsapp/v23.0/{inbound.media}", f"/whatsapp/media/{inbound.media}"):
            async with session.get(world.settings.simulator_url + path) as answer:
                assert answer.status == 401
