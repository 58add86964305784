"""Checks a view's path, query and body against its models, and answers what is wrong by field.

flask-openapi3 documents the models from the same annotations; its own checking is switched off, as it re-reads schemas at
each request and takes a JSON string for a body.
"""

from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any, TypeVar, get_type_hints

from flask import request
from pydantic import BaseModel, ValidationError
from pydantic_core import from_json

from webapp.requests.problems import Problem

Model = TypeVar("Model", bound=BaseModel)
View = TypeVar("View", bound=Callable[..., Any])


def checked(view: View) -> View:
    """Give the view its `path`, `query`, `header` and `body` as the models that it is annotated with."""
    hints = get_type_hints(view)
    path, query, header, body = (hints.get(name) for name in ("path", "query", "header", "body"))

    @wraps(view)
    def wrapper(**parts: Any) -> Any:
        given: dict[str, Any] = {}
        if path:
            given["path"] = validated(path, parts)
        if query:
            given["query"] = validated(query, request.args.to_dict())
        if header:
            names = [field.alias or name for name, field in header.model_fields.items()]
            given["header"] = validated(header, {name: request.headers[name] for name in names if name in request.headers})
        if body:
            given["body"] = validated(body, read_json())
        return view(**given)

    return _unchecked(wrapper)  # type: ignore[return-value]


def documented(body: type[BaseModel]) -> Callable[[View], View]:
    """A view that reads its body for itself: the model is for the document only."""

    def mark(view: View) -> View:
        view.__annotations__["body"] = body
        return _unchecked(view)  # type: ignore[return-value]

    return mark


def _unchecked(view: Callable[..., Any]) -> Callable[..., Any]:
    """Mark the view so that flask-openapi3 leaves the checking to it."""
    view.__delay_validate_request__ = True  # type: ignore[attr-defined]
    return view


def read_body() -> bytes:
    """The request's whole body. RequestEntityTooLarge beyond its limit, also when it did not say its length."""
    body = request.get_data(cache=False)
    if request.content_length is None:
        # Werkzeug cuts a chunked body off at the limit, and says so only to whoever reads on.
        request.stream.read(1)
    return body


def read_json(body: bytes | None = None) -> Any:
    """The request's body, or this one that was read. Problem 400 `invalid_json` when it is none."""
    try:
        return from_json(read_body() if body is None else body, allow_inf_nan=False)
    except ValueError as error:
        raise Problem(400, "invalid_json", f"the body is not JSON: {error}") from None


def validated(model: type[Model], given: Any) -> Model:
    """What was given as the model has it. Problem 422 `invalid` that names each wrong field."""
    try:
        return model.model_validate(given)
    except ValidationError as error:
        raise invalid(error) from None


def invalid(error: ValidationError) -> Problem:
    """The problem of a failed validation. Never repeats what was given."""
    errors = [{"field": _field(each), "detail": each["msg"]} for each in error.errors(include_input=False)]
    problem = Problem(422, "invalid", errors[0]["detail"])
    problem.errors = errors
    return problem


def _field(wrong: Any) -> str:
    """Where it is; a validator of our own says where within what it checked."""
    return ".".join(filter(None, (*map(str, wrong["loc"]), wrong.get("ctx", {}).get("field"))))


def without_blanks(given: Mapping[str, Any]) -> dict[str, Any]:
    """The mapping without what is empty."""
    return {name: value for name, value in given.items() if value not in ("", None, [], {})}
