"""Templates of accounts: listed as they are known here, read, created and deleted at the provider."""

from typing import Any

from flask import Response
from msgspec.structs import asdict, replace

from chat4all.model.clock import rfc3339
from chat4all.model.content import Template, TemplateParameters
from chat4all.model.failures import Permanent
from chat4all.model.template_rules import UNSENDABLE, faults, rendered
from chat4all.ports.templates import AccountTemplate, TemplatePage
from chat4all.services.acceptance.content_checks import content_fault
from chat4all.services.refusals import NoSuch, Wrong
from chat4all.services.templates import DELETED, PAGE, Changed, noted, publish, read_all
from webapp.requests.api_docs import ACCOUNTS
from webapp.requests.gateway import gateway
from webapp.requests.idempotency import once
from webapp.requests.problems import Problem
from webapp.requests.responses import answer, page_after
from webapp.requests.validation import checked, without_blanks
from webapp.schemas.account_models import AccountPath
from webapp.schemas.template_models import (
    NewTemplate,
    Preview,
    PreviewOut,
    TemplateOut,
    TemplatePath,
    TemplatesOut,
    TemplatesQuery,
    TemplatesRead,
)
from webapp.views import auth

UNKNOWN = "there is no such template in this language"

api = auth.for_managers("templates", ACCOUNTS, "account")


@api.get("/v1/accounts/<account_id>/templates", responses={"200": TemplatesOut})
@checked
def list_templates(path: AccountPath, query: TemplatesQuery) -> Response:
    """The account's templates by name and language, as the provider last told of them: status, quality, why one was rejected.

    The provider is asked every ten minutes, tells by webhook, and is asked now where it never was; `…/templates/read` asks it.
    """
    _read_once(path.account_id)
    kept = [
        each for each in gateway().store.templates_of(path.account_id) if each.status != DELETED and query.name in each.name
    ]
    page, more = page_after(sorted(kept, key=_place), query.after, query.limit, _place)
    return answer({"templates": [_shape(each) for each in page]} | more)


@api.post("/v1/accounts/<account_id>/templates/read", responses={"200": TemplatesRead})
@checked
def read_templates(path: AccountPath) -> Response:
    """Ask the provider for all of them now. How many of them changed."""
    return answer({"changed": _read(path.account_id)})


@api.post("/v1/accounts/<account_id>/templates/<name>/<language>/preview", responses={"200": PreviewOut})
@checked
def preview_template(path: TemplatePath, body: Preview) -> Response:
    """What a person reads with these parameters. 422 `template_invalid` as sending it would be; nothing is sent."""
    known, given = _known(path), body.parameters
    filled = TemplateParameters(tuple(given.header), tuple(given.body), tuple(given.buttons))
    if fault := content_fault(Template(path.name, path.language, filled), gateway().settings.text_limit):
        code, detail, field = fault
        raise Wrong(field, detail, code)
    for detail, place in faults(known.components, filled):
        raise Wrong(f"parameters.{place}", detail, "template_invalid")
    shown = rendered(known.components, filled)
    text = "\n".join(shown[place] for place in ("header", "body", "footer") if place in shown)
    state = {"status": known.status, "category": known.category, "sendable": known.status not in UNSENDABLE}
    return answer({"text": text} | shown | state)


@api.post("/v1/accounts/<account_id>/templates", responses={"201": TemplateOut})
@once
@checked
def create_template(path: AccountPath, body: NewTemplate) -> Response:
    """Ask the provider for a template. It can be sent once its status is APPROVED."""
    wanted = AccountTemplate(body.name, body.language, body.category, tuple(body.components))
    try:
        made = gateway().accounts.ask(path.account_id, lambda channel: channel.create_template(wanted))
    except Permanent as failure:
        if failure.reason != "template_invalid":
            raise
        raise Wrong("components", failure.detail, failure.reason) from None
    _tell(noted(gateway().store, path.account_id, made))
    return answer(_shape(made), 201)


@api.delete("/v1/accounts/<account_id>/templates/<name>/<language>", responses={"204": None})
@checked
def delete_template(path: TemplatePath) -> Response:
    """Delete it in one language. What is on its way with it may fail."""
    try:
        there = gateway().accounts.ask(path.account_id, lambda channel: channel.delete_template(path.name, path.language))
    except NoSuch:
        raise Problem(404, "unknown_account", "there is no such account") from None
    if not there:
        raise Problem(404, "unknown_template", UNKNOWN)
    for known in gateway().store.templates_named([(path.account_id, path.name, path.language)]).values():
        _tell(noted(gateway().store, path.account_id, replace(known, status=DELETED)))
    return Response(status=204)


def _read_once(account_id: str) -> None:
    """Have them known, if the account is this workspace's. NoSuch."""
    accounts = gateway().accounts
    if not accounts.is_of_environment(account_id):
        accounts.get(account_id)
    if not gateway().store.templates_read_at(account_id):
        _read(account_id)


def _read(account_id: str) -> int:
    def ask(after: str) -> TemplatePage:
        return gateway().accounts.ask(account_id, lambda channel: channel.templates(PAGE, after, ""))

    changed = read_all(gateway().store, account_id, ask)
    _tell(changed)
    return len(changed)


def _tell(changed: list[Changed]) -> None:
    acceptor = gateway().acceptor
    publish(acceptor.append, acceptor.event_partitions, changed)


def _known(path: TemplatePath) -> AccountTemplate:
    key = path.account_id, path.name, path.language
    _read_once(path.account_id)
    known = gateway().store.templates_named([key]).get(key)
    if known is None or known.status == DELETED:
        raise Problem(404, "unknown_template", UNKNOWN)
    return known


def _place(template: AccountTemplate) -> str:
    return f"{template.name} {template.language}"


def _shape(template: AccountTemplate) -> dict[str, Any]:
    shown = asdict(template) | {"known_at": rfc3339(template.at) if template.at else ""}
    del shown["at"]
    return without_blanks(shown) | {"components": list(template.components), "status": template.status}
