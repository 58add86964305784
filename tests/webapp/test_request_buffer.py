"""A request that comes bit by bit: when it is whole, however it is cut."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webapp.server.request_buffer import HEAD_MOST, RequestBuffer, Verdict

MOST = 1000
HEAD = b"POST /v1/messages HTTP/1.1\r\nHost: a\r\n"
WHOLE = {
    "get": b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n",
    "body": HEAD + b"Content-Length: 5\r\n\r\nhello",
    "any case": HEAD + b"CONTENT-length:5\r\n\r\nhello",
    "nothing": HEAD + b"Content-Length: 0\r\n\r\n",
    "blank lines before": b"\r\n\r\n" + HEAD + b"Content-Length: 2\r\n\r\nhi",
    "chunked": HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    "chunks with ends inside": HEAD
    + b"Transfer-Encoding: chunked\r\n\r\n7\r\n0\r\n\r\n0\r\n\r\n3;x=y\r\nabc\r\n0\r\nA: b\r\n\r\n",
    "header in the body": HEAD + b"Content-Length: 26\r\n\r\n\r\ncontent-length: 9999\r\n\r\n",
}


def fed(data: bytes, cuts: list[int]) -> tuple[Verdict, int, RequestBuffer]:
    """The first verdict that is not MORE, how many bytes it took, and the gathering."""
    gathering, at = RequestBuffer(MOST), 0
    for cut in [*sorted({each for each in cuts if 0 < each < len(data)}), len(data)]:
        verdict = gathering.feed(data[at:cut])
        at = cut
        if verdict is not Verdict.MORE:
            return verdict, at, gathering
    return Verdict.MORE, at, gathering


@pytest.mark.parametrize("data", WHOLE.values(), ids=WHOLE)
@given(cuts=st.lists(st.integers(1, 200), max_size=8))
def test_a_request_is_whole_with_its_last_byte(data: bytes, cuts: list[int]) -> None:
    """Wherever it is cut; and not one byte before."""
    verdict, taken, gathering = fed(data, cuts)
    assert (verdict, taken) == (Verdict.WHOLE, len(data))
    assert bytes(gathering.data) == data.lstrip(b"\r\n")
    assert fed(data[:-1], cuts)[0] is Verdict.MORE
    assert fed(data, list(range(len(data))))[:2] == (Verdict.WHOLE, len(data))


def test_what_is_too_large_to_hold_is_a_stream() -> None:
    """As soon as it is known: by its length, by a chunk's size, by what has come; and everything about objects."""
    for data in (
        HEAD + b"Content-Length: 1001\r\n\r\n",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\nFFFFF\r\n",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + b"64\r\n" + b"x" * 100 + b"\r\n" + b"3E0\r\n" + b"x" * 900,
        b"GET /objects/a?b=c HTTP/1.1\r\nHost: a\r\n\r\n",
    ):
        assert fed(data, [])[0] is Verdict.STREAM
    assert fed(HEAD + b"Content-Length: 1000\r\n\r\n", [])[0] is Verdict.MORE


@pytest.mark.parametrize(
    "rest", [b"Content-Length: x\r\n\r\n", b"Content-Length: -1\r\n\r\n", b"Content-Length: 99999999999999999\r\n\r\n",
             b"Transfer-Encoding: chunked\r\n\r\nzz\r\n", b"Transfer-Encoding: chunked\r\n\r\n-5\r\n", b"\r\nnonsense"],
)  # fmt: skip
def test_what_is_malformed_goes_to_the_parser(rest: bytes) -> None:
    """It says what is wrong; nobody waits for more."""
    assert fed(HEAD + rest, [])[0] is Verdict.WHOLE


def test_a_head_without_an_end_is_refused() -> None:
    """Whatever it is made of."""
    assert fed(b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * (HEAD_MOST // 6 + 1), [])[0] is Verdict.TOO_LARGE
    assert fed(b"x" * (HEAD_MOST + 1), [])[0] is Verdict.TOO_LARGE
    assert fed(HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + b"1" * 2000, [])[0] is not Verdict.MORE


@given(cuts=st.lists(st.integers(1, 100), max_size=8))
def test_a_client_that_asks_whether_to_go_on_is_told_once(cuts: list[int]) -> None:
    """And the parser does not see the question; who did not wait for an answer needs none."""
    head = HEAD + b"Expect: 100-continue\r\nContent-Length: 5\r\n\r\n"
    verdict, _, gathering = fed(head, cuts)
    assert (verdict, gathering.expects) == (Verdict.MORE, True)
    assert b"xpect" not in gathering.data
    gathering.expects = False
    assert gathering.feed(b"hello") is Verdict.WHOLE
    assert not gathering.expects
    assert not fed(head + b"hello", [])[2].expects


@given(st.binary(max_size=300), st.lists(st.integers(1, 300), max_size=6))
def test_nothing_breaks_it(data: bytes, cuts: list[int]) -> None:
    """Whatever comes, in whatever pieces, there is a verdict."""
    for begin in (b"", HEAD, HEAD + b"\r\n", HEAD + b"Transfer-Encoding: chunked\r\n\r\n"):
        fed(begin + data, cuts)
