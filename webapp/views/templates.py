"""Templates of accounts: listed, created and deleted at the provider, which is asked each time."""

from typing import Any

from flask import Response
from msgspec.structs import asdict

from chat4all.model.failures import Permanent
from chat4all.ports.templates import AccountTemplate
from chat4all.services.refusals import NoSuch, Wrong
from webapp.requests.api_docs import ACCOUNTS
from webapp.requests.gateway import gateway
from webapp.requests.idempotency import once
from webapp.requests.problems import Problem
from webapp.requests.responses import answer
from webapp.requests.validation import checked, without_blanks
from webapp.schemas.account_models import AccountPath
from webapp.schemas.template_models import NewTemplate, TemplateOut, TemplatePath, TemplatesOut, TemplatesQuery
from webapp.views import auth

api = auth.for_managers("templates", ACCOUNTS, "account")


@api.get("/v1/accounts/<account_id>/templates", responses={"200": TemplatesOut})
@checked
def list_templates(path: AccountPath, query: TemplatesQuery) -> Response:
    """The account's templates, with what became of their approval. `after`: as the last page said."""
    page = gateway().accounts.ask(path.account_id, lambda channel: channel.templates(query.limit, query.after, query.name))
    more = {"next": page.next} if page.next else {}
    return answer({"templates": [_shape(each) for each in page.templates]} | more)


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
        raise Problem(404, "unknown_template", "there is no such template in this language")
    return Response(status=204)


def _shape(template: AccountTemplate) -> dict[str, Any]:
    shown = asdict(template)
    return without_blanks(shown) | {"components": list(template.components), "status": template.status}
