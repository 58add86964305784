"""Rules for display names, which are put in front of texts that are sent to others. Pure rules; no I/O."""

import re
import unicodedata

NAME_MOST = 64
# Joiners are part of words and emoji in many scripts; all else that is not seen can hide or reorder what follows.
JOINERS = "\u200c\u200d"
# Letters and signs that show nothing.
BLANKS = "\u115f\u1160\u2800\u3164\uffa0"
# What messengers turn into a link: with a scheme, with a path, or by an ending that nobody's name has.
LINK = re.compile(
    r"[a-z][a-z0-9+.-]*://|\bwww\.|\b(?:mailto|tel|sms|tg|javascript):|(?:[\w-]+\.)+[a-z]{2,24}/\S*"
    r"|\b(?:[\w-]+\.)+(?:com|net|org|info|biz|io|co|me|ly|app|dev|xyz|top|site|online|shop|link|click|ru|cn)\b",
    re.ASCII | re.IGNORECASE,
)


def fault(name: str) -> str:
    """Why somebody may not call themselves so; empty: they may."""
    if any(_is_hidden(each) for each in name):
        return "one line, without control characters and marks of direction"
    return "a name, not a link" if LINK.search(name) else ""


def cleaned(name: str) -> str:
    """The name as it may stand in front of words: one line without hidden characters and links, of bounded length."""
    text = " ".join("".join(" " if _is_hidden(each) else each for each in name).split())[:NAME_MOST].strip()
    while LINK.search(text):
        text = " ".join(LINK.sub(" ", text).split())
    return text


def _is_hidden(character: str) -> bool:
    """Control, format, surrogate, private and unassigned characters, and breaks of lines and paragraphs."""
    return character in BLANKS or (unicodedata.category(character) in HIDDEN and character not in JOINERS)


HIDDEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
