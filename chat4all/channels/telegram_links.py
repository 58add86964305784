"""Links that stand behind the words of a Telegram message. Pure; no I/O."""

from collections.abc import Iterator

from chat4all.channels.json_fields import fields, ident, items, words


def linked(text: str, entities: object) -> str:
    """The text with the links that stand behind its words. Places are counted in UTF-16, as Telegram does."""
    raw = text.encode("utf-16-le", "surrogatepass")
    for end, link in sorted(_links(entities), reverse=True):
        if 0 < end * 2 <= len(raw):
            raw = raw[: end * 2] + f" ({link})".encode("utf-16-le") + raw[end * 2 :]
    return raw.decode("utf-16-le", "replace")


def _links(entities: object) -> Iterator[tuple[int, str]]:
    for each in items(entities):
        entity = fields(each)
        kind, begin, length = entity.get("type"), entity.get("offset"), entity.get("length")
        link = words(entity.get("url")) if kind == "text_link" else ""
        if kind == "text_mention":
            link = f"tg://user?id={ident(fields(entity, 'user').get('id'))}"
        if link and isinstance(begin, int) and isinstance(length, int):
            yield begin + length, link
