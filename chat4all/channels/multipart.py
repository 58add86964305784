"""Forms with a file in them, sent as a stream of known length."""

from collections.abc import AsyncIterable, Mapping

from aiohttp import FormData, MultipartWriter
from aiohttp.payload import AsyncIterablePayload

from chat4all.ports import Body


class FilePayload(AsyncIterablePayload):
    """A file as a part of a form. Providers want to know beforehand how much comes."""

    def __init__(self, body: Body, mime_type: str) -> None:
        super().__init__(_bytes(body), content_type=mime_type)
        self._length = body.size

    @property
    def size(self) -> int:
        """Its length in bytes."""
        return self._length


def _bytes(body: Body) -> AsyncIterable[bytes]:
    return body.chunks()


def form(fields: Mapping[str, str], name: str, filename: str, mime_type: str, body: Body) -> MultipartWriter:
    """A form with these fields, and the file under `name`. Names are written as people write them, not escaped."""
    made = FormData(quote_fields=False)
    for each, value in fields.items():
        made.add_field(each, value)
    made.add_field(name, FilePayload(body, mime_type), filename=filename)
    writer = made()
    assert isinstance(writer, MultipartWriter)  # noqa: S101 - a field with a filename makes it one
    return writer
