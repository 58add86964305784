"""Whether what is said fits the templates that it names, as far as they are known here."""

from collections.abc import Iterator, Sequence

from chat4all.model.content import Template
from chat4all.model.template_rules import UNSENDABLE, faults
from chat4all.ports import MessageStore
from chat4all.ports.templates import AccountTemplate, TemplateKey
from chat4all.services.acceptance.draft_work import Work

# A template that goes out, the accounts that send it, and where the draft names it.
Use = tuple[Template, list[str], str]


def check_templates(store: MessageStore, works: Sequence[Work]) -> None:
    """Refuse what the provider would. Reads nothing where nothing names a template. What is not known here is not judged."""
    named = [(work, uses) for work in works if (uses := list(_uses(work)))]
    if not named:
        return
    keys = {key for _, uses in named for use in uses for key in _keys(use)}
    known = store.templates_named(list(keys))
    for work, uses in named:
        for use in uses:
            template, _, field = use
            there = [known[key] for key in _keys(use) if key in known]
            wrong = next((found for each in there if (found := _wrong(each, template))), None)
            if wrong and not work.refused:
                detail, place = wrong
                work.refuse(422, "template_invalid", detail, f"{field}.{place}")


def _uses(work: Work) -> Iterator[Use]:
    instead = work.draft.outside_window
    for template, field in ((work.payload, "payload"), (instead, "outside_window")):
        if isinstance(template, Template) and work.message:
            accounts = {each.account or each.channel for each in work.message.recipients if each.address}
            yield template, sorted(accounts), field


def _keys(use: Use) -> list[TemplateKey]:
    template, accounts, _ = use
    return [(each, template.name, template.language) for each in accounts]


def _wrong(known: AccountTemplate, template: Template) -> tuple[str, str] | None:
    if known.status in UNSENDABLE:
        why = f" ({known.reason})" if known.reason else ""
        return f"the provider says that it is {known.status}{why}: only what is approved is sent", "name"
    detail, place = next(faults(known.components, template.parameters), ("", ""))
    return (detail, f"parameters.{place}") if detail else None
