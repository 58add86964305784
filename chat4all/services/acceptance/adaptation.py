"""What becomes of content on a channel that does not carry it as it is. Pure: (content, limits) -> content; no I/O.

What a channel carries it declares in its limits. Choices take another style that fits before they become a numbered list; all
else becomes the words that stand for it. Messages point at others by the provider's ids, which are known only when they are
sent: what depends on those is decided there (`tasks/lanes/pointing.py`).
"""

from msgspec.structs import replace

from chat4all.model.content import (
    CHOICE_STYLES,
    MODIFIERS,
    Album,
    Choices,
    ContactCards,
    Content,
    Media,
    Text,
    joined_lines,
    said_by,
)
from chat4all.model.text_splitting import split
from chat4all.ports import ChoiceLimits, Limits

Parts = tuple[str | Content, ...]


def adapted(content: Content, name: str, limits: Limits) -> Parts:
    """The parts that it goes in; none: it goes as it is. `name`: who speaks, where people must be told."""
    fitting = carried(content, limits)
    if fitting is None or isinstance(fitting, Text):
        spoken = said_by(name, content.as_text())
        is_whole = isinstance(content, Text) and limits.measure(spoken) <= limits.text_length
        return () if is_whole else split(spoken, limits.text_length, limits.measure)
    if isinstance(fitting, MODIFIERS):
        return ()
    pieces = _pieces(fitting, limits)
    if not name:
        return () if pieces == (content,) else pieces
    if isinstance(fitting, Choices):
        named = carried(replace(fitting, text=said_by(name, fitting.text)), limits)
        if named:
            return (named,)
    return (said_by(name, ""), *pieces)


def is_native(content: Content, limits: Limits) -> bool:
    """Whether the channel shows it as what it is, if need be in several sends."""
    if isinstance(content, Media):
        return limits.takes(content.mime_type, content.size, "")
    if isinstance(content, Album):
        return limits.carries(content) and all(is_native(each, limits) for each in content.items)
    return carried(content, limits) is not None


def carried(content: Content, limits: Limits) -> Content | None:
    """The content as the channel carries it; None: it does not."""
    if isinstance(content, Choices):
        return _in_a_style(content, limits)
    if isinstance(content, (Text, Media, *MODIFIERS)) or limits.carries(content):
        return content
    return None


def _pieces(content: Content, limits: Limits) -> Parts:
    """The sends that it takes: cards may be more than one send carries."""
    if not isinstance(content, ContactCards):
        return (content,)
    cards, most = content.cards, limits.cards_most
    return tuple(ContactCards(cards[begin : begin + most]) for begin in range(0, len(cards), most))


def _in_a_style(choices: Choices, limits: Limits) -> Choices | None:
    """The choices in the style that their sender chose, or else in the first that fits."""
    for style in dict.fromkeys((choices.style, *CHOICE_STYLES)):
        shows = limits.choices.get(style)
        fitting = _fitted(choices, style, shows, limits) if shows else None
        if fitting:
            return fitting
    return None


def _fitted(choices: Choices, style: str, shows: ChoiceLimits, limits: Limits) -> Choices | None:
    links, options = choices.links, choices.options
    if len(options) > shows.options or len(links) > shows.links or (links and options and shows.links_alone):
        return None
    if len(options) + len(links) > max(shows.options, shows.links):
        return None
    titles = [*(each.title for each in options), *(each.title for each in links)]
    if any(len(each) > shows.title_length for each in titles):
        return None
    if any(len(each.description) > shows.description_length for each in options):
        return None
    header, text, footer = choices.header, choices.text, choices.footer
    if len(header) > shows.header_length:
        header, text = "", joined_lines(header, text)
    if len(footer) > shows.footer_length:
        footer, text = "", joined_lines(text, footer)
    if limits.measure(text) > shows.text_length:
        return None
    return replace(choices, style=style, header=header, text=text, footer=footer)
