"""Rules for display names, which are put in front of texts that are sent to others. Pure rules; no I/O."""

import re
import unicodedata

NAME_MOST = 64
# Joiners are part of words and emoji in many scripts; all else that is not seen can hide or reorder what follows.
JOINERS = "\u200c\u200d"
SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://|\bwww\.", re.ASCII | re.IGNORECASE)


def fault(name: str) -> str:
    """Why somebody may not call themselves so; empty: they may."""
    if any(_is_hidden(each) for each in name):
        return "one line, without control characters and marks of direction"
    return "a name, not a link" if SCHEME.search(name) else ""


def cleaned(name: str) -> str:
    """The name as it may stand in front of words: one line without hidden characters and links, of bounded length."""
    text = "".join(" " if _is_hidden(each) else each for each in name)
    while SCHEME.search(text):
        text = SCHEME.sub(" ", text)
    return " ".join(text.split())[:NAME_MOST].strip()


def _is_hidden(character: str) -> bool:
    """Control, format, surrogate, private and unassigned characters, and breaks of lines and paragraphs."""
    return unicodedata.category(character) in HIDDEN and character not in JOINERS


HIDDEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
