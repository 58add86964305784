"""A client's socket that blocks no thread: what the client does not read at once is kept, and the poller sends it."""

import errno
import select
import socket
import time
from contextlib import suppress
from typing import Any

# A thread waits so long for the next bytes of a large upload, or for a reader of a large download.
PATIENCE_S = 5.0
# And a transfer that is under way for longer must have made so many bytes a second.
SLOW_AFTER_S = 10.0
LEAST_PER_S = 16 << 10
# Of a download so much is kept; of any other answer all, up to a size that none has.
GATHERED = 64 << 10
STREAM_LEFT = 256 << 10
LEFT_MOST = 32 << 20


class PatientSocket(socket.socket):
    """Used by one thread at a time. `streamed`: its bytes are waited for, at a least rate.

    `left`: what was sent and has not gone; the poller sends it when no thread is at it any more.
    """

    def __init__(self, taken: socket.socket) -> None:
        super().__init__(taken.family, taken.type, taken.proto, fileno=taken.detach())
        super().setblocking(False)
        self.left = bytearray()
        self.streamed = False
        self._patience = PATIENCE_S
        self._began = 0.0
        self._moved = 0

    def stream(self) -> None:
        """From now on a thread may wait for this client, while it is not too slow."""
        self.streamed, self._began, self._moved = True, time.monotonic(), 0

    def setblocking(self, _flag: bool) -> None:
        """It never blocks."""

    def settimeout(self, value: float | None) -> None:
        """How long one wait may take."""
        self._patience = PATIENCE_S if value is None else min(value, PATIENCE_S)

    def gettimeout(self) -> float | None:
        """How long one wait may take."""
        return self._patience

    def take(self, size: int) -> bytes:
        """What is there. BlockingIOError when nothing is."""
        return super().recv(size)

    def recv(self, size: int, flags: int = 0) -> bytes:
        """As a blocking socket's, for as long as patience lasts. ConnectionResetError after that."""
        try:
            data = super().recv(size, flags)
        except BlockingIOError:
            self._wait(select.POLLIN)
            data = super().recv(size, flags)
        self._moved += len(data)
        return data

    def sendall(self, data: Any, _flags: int = 0) -> None:
        """Keep it, so that head and body of an answer go out together, by `flush`; what is large goes as it comes."""
        self.left += data
        if self.streamed or len(self.left) > GATHERED:
            self.flush()
        while self.streamed and len(self.left) > STREAM_LEFT:
            self._wait(select.POLLOUT)
            self.flush()
        if len(self.left) > LEFT_MOST:
            raise ConnectionResetError(errno.ECONNRESET, "too much is not read")

    def flush(self) -> bool:
        """Send what is left, as far as it goes at once; whether all has gone."""
        if self.left:
            with suppress(BlockingIOError):
                sent = super().send(self.left)
                self._moved += sent
                del self.left[:sent]
        return not self.left

    def _wait(self, event: int) -> None:
        spent = time.monotonic() - self._began
        if self.streamed and spent > SLOW_AFTER_S and self._moved < spent * LEAST_PER_S:
            raise ConnectionResetError(errno.ECONNRESET, "too slow")
        ready = select.poll()
        ready.register(self.fileno(), event)
        if not ready.poll(self._patience * 1000):
            raise ConnectionResetError(errno.ECONNRESET, "too slow")
