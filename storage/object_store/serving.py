"""Headers of an answer with an object's bytes, whoever serves it: ranges, and that browsers never display it."""

from werkzeug.http import parse_range_header

SAFE = {
    "Accept-Ranges": "bytes",
    "Cache-Control": "private, max-age=300",
    "Content-Security-Policy": "default-src 'none'; sandbox",
    "X-Content-Type-Options": "nosniff",
}


class NoSuchRange(Exception):
    """The object has none of the bytes that are asked for."""


def bounds(asked: str | None, condition: str | None, key: str, size: int) -> tuple[int, int] | None:
    """The first and last byte of a Range header; None where all is to be given. `condition`: If-Range. NoSuchRange."""
    found = parse_range_header(asked)
    if found is None or len(found.ranges) != 1 or (condition or f'"{key}"') != f'"{key}"':
        return None
    span = found.range_for_length(size)
    if found.units != "bytes" or span is None:
        raise NoSuchRange
    return span[0], span[1] - 1
