"""Calls as any client makes them, past our own channels."""

from typing import Any

from tests.simulator.conftest import World

VERSION = "v23.0"
ACCOUNTS = {"whatsapp": "100000000000001", "instagram": "17841400000000001", "messenger": "100000000000002"}
PEOPLE = {"whatsapp": "+5511999990000", "instagram": "6789012345", "telegram": "123456", "messenger": "6789012346"}


async def graph(world: World, channel: str, body: Any, path: str = "messages", **more: Any) -> tuple[int, dict[str, Any]]:
    """POST to the account on one of Meta's providers; (status, answer)."""
    url = f"{world.url(channel)}/{VERSION}/{ACCOUNTS[channel]}/{path}"
    headers = {"Authorization": f"Bearer {world.secret(f'{channel}_token')}"}
    async with world.session.post(url, **{"json": body, "headers": headers, **more}) as answer:
        return answer.status, await answer.json()


async def ask(world: World, channel: str, path: str) -> tuple[int, dict[str, Any]]:
    """GET from one of Meta's providers, with the token."""
    headers = {"Authorization": f"Bearer {world.secret(f'{channel}_token')}"}
    async with world.session.get(f"{world.url(channel)}/{VERSION}/{path}", headers=headers) as answer:
        return answer.status, await answer.json()


async def bot(world: World, method: str, of: str = "1000000001", **given: Any) -> tuple[int, dict[str, Any]]:
    """A method of a bot, with JSON; (status, answer)."""
    url = f"{world.url('telegram')}/bot{of}:{world.secret('telegram_token')}/{method}"
    async with world.session.post(url, json=given) as answer:
        return answer.status, await answer.json()


def text(channel: str, to: str, words: str) -> dict[str, Any]:
    """A text, in the words of one of Meta's providers."""
    if channel == "whatsapp":
        return {"messaging_product": "whatsapp", "to": to, "type": "text", "text": {"body": words}}
    return {"recipient": {"id": to}, "message": {"text": words}}
