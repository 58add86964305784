"""How a provider gets at a file that is sent: by a link, by what it was uploaded as, or in the send itself."""

from collections.abc import AsyncIterator, Callable

from msgspec import Struct

from chat4all.ports.uploads import Uploaded


class FileLink(Struct, frozen=True):
    """The provider fetches the file there."""

    url: str


class Body(Struct, frozen=True):
    """The file itself. `chunks` reads it from its beginning, each time that it is called; `seconds`: how long a call may take
    that carries it.
    """

    size: int
    chunks: Callable[[], AsyncIterator[bytes]]
    seconds: float


MediaSource = FileLink | Uploaded | Body
