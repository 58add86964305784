"""Splits a text that is too long for a channel into parts: at a paragraph, a sentence or a word, never inside a character
as people see it. A pure rule: the same text and limit always give the same parts. No I/O.
"""

import unicodedata
from collections.abc import Callable, Iterator, Sequence

ZWJ = "\u200d"
SENTENCE_ENDS = frozenset(".!?…。！？؟।")  # noqa: RUF001 - as they are written elsewhere
# A cut at a paragraph, line or sentence, or at a word, must leave a part of so much of what fits: else it is no gain.
FULL_ENOUGH, WORD_ENOUGH = 0.5, 0.25


def split(text: str, most: int, measure: Callable[[str], int]) -> tuple[str, ...]:
    """The parts of `text`, each of at most `most` by `measure`, which must be additive. Blanks at the cuts are left out."""
    clusters = [piece for each in graphemes(text) for piece in _small(each, most, measure)]
    sizes = [measure(each) for each in clusters]
    parts, start = [], 0
    while start < len(clusters):
        if clusters[start].isspace():
            start += 1
            continue
        end = _fitting(sizes, start, most)
        cut = end if end == len(clusters) else _best_cut(clusters, start, end)
        parts.append("".join(clusters[start:cut]).rstrip())
        start = cut
    return tuple(parts)


def _small(cluster: str, most: int, measure: Callable[[str], int]) -> Sequence[str]:
    """What is larger than a whole part cannot stay in one: an absurd pile of marks goes code point by code point."""
    return (cluster,) if measure(cluster) <= most else tuple(cluster)


def _fitting(sizes: Sequence[int], start: int, most: int) -> int:
    """Up to where it fits; at least one."""
    used, end = 0, start
    while end < len(sizes) and used + sizes[end] <= most:
        used += sizes[end]
        end += 1
    return max(end, start + 1)


def _best_cut(clusters: Sequence[str], start: int, end: int) -> int:
    """Where to cut between `start` and `end`: behind a paragraph, a line, a sentence, a word; else where it is full."""
    enough, word_enough = (start + max(1, int((end - start) * share)) for share in (FULL_ENOUGH, WORD_ENOUGH))
    for is_end, low in ((_paragraph, enough), (_line, enough), (_sentence, enough), (_word, word_enough)):
        for place in range(end, low - 1, -1):
            if is_end(clusters, place):
                return place
    return end


def _paragraph(clusters: Sequence[str], place: int) -> bool:
    return _line(clusters, place) and (clusters[place].isspace() or (place > 1 and _breaks(clusters[place - 2])))


def _line(clusters: Sequence[str], place: int) -> bool:
    return _breaks(clusters[place - 1])


def _sentence(clusters: Sequence[str], place: int) -> bool:
    return clusters[place].isspace() and clusters[place - 1] in SENTENCE_ENDS


def _word(clusters: Sequence[str], place: int) -> bool:
    return clusters[place].isspace() or clusters[place - 1].isspace()


def _breaks(cluster: str) -> bool:
    return cluster in {"\n", "\r\n", "\u2029"}


def graphemes(text: str) -> Iterator[str]:
    """The characters as people see them: a base with its marks, joined emoji, flags, syllables."""
    begun = 0
    for place in range(1, len(text)):
        if not _belongs(text, begun, place):
            yield text[begun:place]
            begun = place
    if text:
        yield text[begun:]


def _belongs(text: str, begun: int, place: int) -> bool:
    """Whether the character at `place` goes on with the one that began at `begun`."""
    before, here = text[place - 1], text[place]
    if before == "\r" or _is_control(before) or (_is_control(here) and here not in JOINED):
        return (before, here) == ("\r", "\n")
    if _extends(here) or before == ZWJ:
        return True
    if _is_flag(before) and _is_flag(here):
        return (place - begun) % 2 == 1
    return _is_syllable(before, here) or unicodedata.combining(before) == VIRAMA or before in PREPENDED


VIRAMA = 9
JOINED = frozenset({ZWJ, "\u200c"})
PREPENDED = frozenset("\u0600\u0601\u0602\u0603\u0604\u0605\u06dd\u070f\u0890\u0891\u08e2\u0d4e")


def _is_control(character: str) -> bool:
    return unicodedata.category(character) in {"Cc", "Zl", "Zp", "Cf"} and character not in JOINED and not _is_tag(character)


def _extends(character: str) -> bool:
    return (
        character in JOINED
        or unicodedata.category(character) in {"Mn", "Me", "Mc"}
        or "\U0001f3fb" <= character <= "\U0001f3ff"
        or character in "\uff9e\uff9f"
        or _is_tag(character)
    )


def _is_tag(character: str) -> bool:
    return "\U000e0020" <= character <= "\U000e007f"


def _is_flag(character: str) -> bool:
    return "\U0001f1e6" <= character <= "\U0001f1ff"


def _is_syllable(before: str, here: str) -> bool:
    """Hangul: leading consonants, vowels and trailing consonants of one block."""
    if "\u1160" <= here <= "\u11ff" or "\ud7b0" <= here <= "\ud7fb":
        return "\u1100" <= before <= "\u11ff" or "\uac00" <= before <= "\ud7fb" or "\ua960" <= before <= "\ua97c"
    return "\u1100" <= before <= "\u115f" and ("\u1100" <= here <= "\u115f" or "\uac00" <= here <= "\ud7a3")
