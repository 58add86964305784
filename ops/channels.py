"""`python -m ops.channels`: writes the tables of docs/channels.md from what the channels declare."""

from collections.abc import Mapping
from importlib import import_module

from chat4all.channels import CHANNELS
from chat4all.model.content import CHOICE_STYLES, MEDIA_KINDS, kinds
from chat4all.ports import Limits
from chat4all.services.acceptance.channel_matrix import contents
from ops.made_pages import DOCS, with_made

PAGE = DOCS / "channels.md"
MB = 1 << 20
# So many reactions are named one by one.
FEW = 5


def declared() -> dict[str, Limits]:
    """What the provider of each channel allows."""
    found = {}
    for name, place in CHANNELS.items():
        module, _, attribute = place.partition(":")
        found[name] = getattr(import_module(module), attribute).limits
    return found


def tables(channels: dict[str, Limits]) -> str:
    """What becomes of each kind, and how much fits."""
    fates = {name: contents(limits) for name, limits in channels.items()}
    matrix = _table("content", channels, {f"`{kind}`": [fates[name][kind] for name in channels] for kind in kinds()})
    fits = {
        "text": [f"{each.text_length:,} {each.text_unit}" for each in channels.values()],
        "words beside a file": [f"{each.caption_length:,}" for each in channels.values()],
        "`reply_to` is a quote": ["yes" if each.quotes else "no" for each in channels.values()],
        "reactions": [_reactions(each) for each in channels.values()],
        "receipts, beside the answer to a send": [", ".join(sorted(each.receipts)) or "none" for each in channels.values()],
        "signals": [", ".join(sorted(each.signals)) or "none" for each in channels.values()],
    }
    fits["writes to a person"] = [_window(each) for each in channels.values()]
    fits["sends of the account"] = [_rate(each) for each in channels.values()]
    styles = {f"choices: {style}": [_choices(each, style) for each in channels.values()] for style in CHOICE_STYLES}
    files = {
        "files, uploaded": [_files(each.upload_bytes) for each in channels.values()],
        "files, by a link": [_files(each.file_bytes) for each in channels.values()],
    }
    shown = {
        f"shown as {kind}": [_files(each.shown.get(kind, {})) for each in channels.values()]
        for kind in MEDIA_KINDS
        if any(kind in each.shown for each in channels.values())
    }
    return f"{matrix}\n\n{_table('limit', channels, fits | styles | files | shown)}"


def _table(what: str, channels: dict[str, Limits], rows: dict[str, list[str]]) -> str:
    head = [f"| {what} | {' | '.join(channels)} |", "|---" * (len(channels) + 1) + "|"]
    return "\n".join([*head, *(f"| {name} | {' | '.join(cells)} |" for name, cells in rows.items())])


def _rate(limits: Limits) -> str:
    slower = ", ".join(f"{kind} {rate:g}" for kind, rate in limits.files_per_second.items())
    return f"{limits.account_per_second:g} a second" + (f"; {slower}" if slower else "")


def _window(limits: Limits) -> str:
    rule = limits.window
    exempt = f"; {', '.join(sorted(rule.exempt))}: always" if rule.exempt else ""
    if rule.open_s:
        return f"{rule.open_s / 3600:g} hours after their last message{exempt}"
    return "after they have written once" if rule.first else "always"


def _reactions(limits: Limits) -> str:
    if "reaction" not in limits.contents:
        return "-"
    few = 0 < len(limits.reactions) <= FEW
    return ", ".join(sorted(limits.reactions)) if few else f"{len(limits.reactions) or 'all'} emojis"


def _choices(limits: Limits, style: str) -> str:
    shows = limits.choices.get(style)
    if not shows:
        return "-"
    how = "or {} links" if shows.links_alone else "up to {} of them links"
    links = f", {how.format(shows.links)}" if shows.links else ""
    below = f", descriptions of {shows.description_length}" if shows.description_length else ""
    return f"{shows.options} titles of {shows.title_length}{below}{links}; question of {shows.text_length:,}"


def _files(sizes: Mapping[str, int]) -> str:
    by_size: dict[int, list[str]] = {}
    for kind, most in sizes.items():
        by_size.setdefault(most, []).append(kind or "others")
    return "; ".join(f"{', '.join(kinds)}: {most / MB:g} MiB" for most, kinds in by_size.items()) or "none"


def page(text: str) -> str:
    """The document with its tables made anew."""
    return with_made(text, "ops.channels", tables(declared()))


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text()))
