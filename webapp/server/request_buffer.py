"""Collects a request as its bytes come, and knows when it is whole: then a thread handles it without waiting. No I/O."""

import re
from enum import Enum

HEAD_MOST = 64 << 10
LINE_MOST = 1 << 10
END = b"\r\n\r\n"
LENGTH, CHUNKED, EXPECT = b"\r\ncontent-length:", b"\r\ntransfer-encoding:", b"\r\nexpect:"
CONTINUE = re.compile(rb"\r\nexpect:[ \t]*100-continue[ \t]*(?=\r\n)", re.I)
# Its answers are as large as files, so whoever serves them waits for their reader.
STREAMED = re.compile(rb"[A-Z]+ /objects/")


class Verdict(Enum):
    """MORE is to come. WHOLE: it can be answered. STREAM: too large to be held. TOO_LARGE: a head without an end."""

    MORE = 1
    WHOLE = 2
    STREAM = 3
    TOO_LARGE = 4


class RequestBuffer:
    """One request's bytes, at most `most` of a body. What is malformed counts as whole: the parser says what is wrong.

    `size`: of the whole request, as far as it is known. `expects`: the client waits to be told to go on; told once.
    """

    def __init__(self, most: int) -> None:
        self.data = bytearray()
        self.size = 0
        self.expects = False
        self._most = most
        self._body = 0
        self._chunks: _Chunks | None = None

    def feed(self, data: bytes) -> Verdict:
        """Take what came; what is to be done now. O(`data`)."""
        seen = max(0, len(self.data) - len(END) + 1)
        self.data += data
        if not self._body:
            if not seen:
                self._without_blank_lines()
            end = self.data.find(END, seen)
            if end < 0:
                return Verdict.TOO_LARGE if len(self.data) > HEAD_MOST else Verdict.MORE
            self._read_head(end)
        return self._verdict()

    def _without_blank_lines(self) -> None:
        if self.data.startswith((b"\r", b"\n")):
            self.data = self.data.lstrip(b"\r\n")

    def _read_head(self, end: int) -> None:
        self._body = end + len(END)
        head = bytes(self.data[: end + 2])
        names = head.lower()
        self._streamed = STREAMED.match(head) is not None
        self.size = self._body + _length(names)
        if b"chunked" in _value(names, CHUNKED):
            self._chunks, self.size = _Chunks(self._body), self._body + self._most
        if EXPECT in names and self.size > len(self.data) and (found := CONTINUE.search(head)):
            self._answer_expectation(found)

    def _answer_expectation(self, found: "re.Match[bytes]") -> None:
        """The client will be told to go on, and the parser must not tell it again."""
        cut = found.end() - found.start()
        del self.data[found.start() : found.end()]
        self.expects = True
        self._body -= cut
        self.size -= cut
        if self._chunks is not None:
            self._chunks = _Chunks(self._body)

    def _verdict(self) -> Verdict:
        if self._streamed or self.size - self._body > self._most or len(self.data) - self._body > self._most:
            return Verdict.STREAM
        if self._chunks is not None:
            return self._chunks.verdict(self.data, self._most)
        return Verdict.WHOLE if len(self.data) >= self.size else Verdict.MORE


def _length(names: bytes) -> int:
    """What Content-Length says; 0 for none, and for nonsense: the parser refuses it."""
    value = _value(names, LENGTH)
    return int(value) if value.isdigit() and len(value) < 16 else 0


def _value(names: bytes, header: bytes) -> bytes:
    at = names.find(header)
    return names[at + len(header) : names.index(b"\r\n", at + 2)].strip() if at >= 0 else b""


class _Chunks:
    """How far a chunked body has come. `at`: where the next line begins."""

    def __init__(self, at: int) -> None:
        self._at = at
        self._trailers = False

    def verdict(self, data: bytearray, most: int) -> Verdict:
        while (end := data.find(b"\r\n", self._at)) >= 0:
            line = bytes(data[self._at : end])
            self._at = end + 2
            if self._trailers:
                if not line:
                    return Verdict.WHOLE
                continue
            size = _hex(line)
            if size < 0:
                return Verdict.WHOLE
            if size > most:
                return Verdict.STREAM
            if size:
                self._at += size + 2
            else:
                self._trailers = True
        return Verdict.WHOLE if len(data) - self._at > LINE_MOST else Verdict.MORE


def _hex(line: bytes) -> int:
    """A chunk's size; -1 for what is none."""
    try:
        return int(line.partition(b";")[0], 16)
    except ValueError:
        return -1
