"""Reads an upload form as it comes: the file in it goes to the object store chunk by chunk, and never wholly into memory."""

import hashlib
from collections.abc import Callable, Iterator
from typing import BinaryIO, cast

from flask import request
from msgspec import Struct
from werkzeug.exceptions import ClientDisconnected, RequestEntityTooLarge
from werkzeug.sansio.multipart import Data, Epilogue, Field, File, MultipartDecoder, NeedData, Preamble

from webapp.requests.problems import Problem

CHUNK = 256 << 10
FIELD_MOST = 256
FORM = "multipart form with conversation_id, then file"


class Start(Struct, frozen=True):
    """What is known when the file's first byte comes."""

    conversation_id: str
    filename: str
    mime_type: str


class Form:
    """One request's form. Iterate over `chunks` once, after `start`; then `checksum` and `size` are those of all.

    `on_chunk` is called as they come.
    """

    def __init__(self, limit: int) -> None:
        boundary = request.mimetype_params.get("boundary", "")
        if request.mimetype != "multipart/form-data" or not boundary:
            raise Problem(422, "invalid", f"a {FORM}", "file")
        self._decoder = MultipartDecoder(boundary.encode("latin-1", "replace"))
        self._stream = cast(BinaryIO, request.stream)
        self._limit = limit
        self._hash = hashlib.sha256()
        self.on_chunk: Callable[[], None] = lambda: None
        self.size = 0

    def start(self) -> Start:
        """Read up to the file. Problem 422 when the form has another shape."""
        fields: dict[str, str] = {}
        name = ""
        for event in self._events():
            if isinstance(event, Field):
                name = event.name
                fields[name] = ""
            elif isinstance(event, File):
                if event.name != "file" or "conversation_id" not in fields:
                    break
                return Start(fields["conversation_id"], event.filename, event.headers.get("Content-Type", ""))
            elif isinstance(event, Data):
                fields[name] += event.data.decode(errors="replace")
                if len(fields[name]) > FIELD_MOST or len(fields) > 1:
                    break
        raise Problem(422, "invalid", f"a {FORM}, in this order", "file")

    def chunks(self) -> Iterator[bytes]:
        """The file's bytes. Problem 413 beyond the limit, 422 when the form ends in the middle of them."""
        for event in self._events():
            if not isinstance(event, Data):
                break
            self.size += len(event.data)
            if self.size > self._limit:
                raise Problem(413, "file_too_large", f"at most {self._limit} bytes", "file")
            self._hash.update(event.data)
            self.on_chunk()
            if event.data:
                yield bytes(event.data)
            if not event.more_data:
                return
        raise Problem(422, "invalid", "the form ends in the middle of the file", "file")

    @property
    def checksum(self) -> str:
        """sha256 of what was read, in hex."""
        return self._hash.hexdigest()

    def _events(self) -> Iterator[Preamble | Field | File | Data]:
        read: Callable[[int], bytes] = self._stream.read
        while True:
            try:
                event = self._decoder.next_event()
                if isinstance(event, NeedData):
                    chunk = read(CHUNK)
                    self._decoder.receive_data(chunk or None)
                    continue
            except (ValueError, ClientDisconnected, RequestEntityTooLarge):
                raise Problem(422, "invalid", f"this is no {FORM}", "file") from None
            if isinstance(event, Epilogue):
                return
            yield cast("Preamble | Field | File | Data", event)
