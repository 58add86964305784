"""The OpenAPI document as generators, linters and people need it; flask-openapi3 makes the rest of it from views and models."""

import re
from collections.abc import Callable
from copy import deepcopy
from typing import Any

from flask_openapi3.openapi import OpenAPI

from chat4all.settings import Settings
from webapp.requests.openapi_webhooks import with_webhooks
from webapp.schemas.content_models import with_components

LICENSE = {"name": "Apache-2.0", "identifier": "Apache-2.0"}
CONTACT = {"name": "The maintainers of Chat4All"}

# What a generated client calls each operation. An operation that is missing here is named by its method and path.
NAMES = {
    "post /auth/token": "logIn",
    "post /auth/refresh": "refreshTokens",
    "post /auth/logout": "logOut",
    "get /auth/form": "getLoginForm",
    "post /auth/session": "beginSession",
    "get /auth/session": "getSession",
    "post /auth/session/renew": "renewSession",
    "delete /auth/session": "endOwnSession",
    "post /v1/users": "registerUser",
    "get /v1/users/me": "getCaller",
    "patch /v1/users/me": "updateCaller",
    "put /v1/users/me/password": "changePassword",
    "get /v1/presence": "getPresence",
    "put /v1/users/me/presence": "setPresence",
    "get /v1/users/me/blocks": "listBlocks",
    "put /v1/users/me/blocks/{user_id}": "blockUser",
    "delete /v1/users/me/blocks/{user_id}": "unblockUser",
    "post /v1/stream-tickets": "createStreamTicket",
    "post /v1/users/{user_id}/reset-password": "resetPassword",
    "post /v1/users/{user_id}/disable": "disableUser",
    "post /v1/users/{user_id}/enable": "enableUser",
    "get /v1/users/{user_id}/sessions": "listSessions",
    "delete /v1/users/{user_id}/sessions": "endSessions",
    "delete /v1/users/{user_id}/sessions/{session_id}": "endSession",
    "get /v1/users/{user_id}/identities/{channel}": "listIdentities",
    "put /v1/users/{user_id}/identities/{channel}": "addIdentity",
    "delete /v1/users/{user_id}/identities/{channel}": "releaseIdentity",
    "post /v1/users/{user_id}/identities/{channel}/verify": "verifyIdentity",
    "get /v1/clients": "listClients",
    "post /v1/clients": "createClient",
    "delete /v1/clients/{name}": "deleteClient",
    "post /v1/clients/{name}/rotate": "rotateClientSecret",
    "post /v1/broadcasts": "createBroadcast",
    "get /v1/broadcasts": "listBroadcasts",
    "get /v1/broadcasts/{broadcast_id}": "getBroadcast",
    "post /v1/broadcasts/{broadcast_id}/start": "startBroadcast",
    "post /v1/broadcasts/{broadcast_id}/pause": "pauseBroadcast",
    "post /v1/broadcasts/{broadcast_id}/stop": "stopBroadcast",
    "get /v1/broadcasts/{broadcast_id}/results": "listBroadcastResults",
    "get /v1/scheduled-messages": "listScheduledMessages",
    "get /v1/scheduled-messages/{message_id}": "getScheduledMessage",
    "patch /v1/scheduled-messages/{message_id}": "updateScheduledMessage",
    "delete /v1/scheduled-messages/{message_id}": "cancelScheduledMessage",
    "get /v1/contacts": "listContacts",
    "post /v1/contacts": "createContact",
    "get /v1/contacts/{contact_id}": "getContact",
    "patch /v1/contacts/{contact_id}": "updateContact",
    "post /v1/contacts/{contact_id}/merge": "mergeContact",
    "post /v1/contacts/{contact_id}/unmerge": "unmergeContact",
    "get /v1/workspaces": "listWorkspaces",
    "post /v1/workspaces": "createWorkspace",
    "get /v1/workspaces/{workspace_id}": "getWorkspace",
    "patch /v1/workspaces/{workspace_id}": "updateWorkspace",
    "delete /v1/workspaces/{workspace_id}": "deleteWorkspace",
    "post /v1/workspaces/{workspace_id}/suspend": "suspendWorkspace",
    "post /v1/workspaces/{workspace_id}/resume": "resumeWorkspace",
    "post /v1/workspaces/{workspace_id}/rotate": "rotateWorkspaceSecret",
    "get /v1/accounts": "listAccounts",
    "post /v1/accounts": "createAccount",
    "get /v1/accounts/{account_id}": "getAccount",
    "patch /v1/accounts/{account_id}": "updateAccount",
    "delete /v1/accounts/{account_id}": "deleteAccount",
    "post /v1/accounts/{account_id}/pause": "pauseAccount",
    "post /v1/accounts/{account_id}/resume": "resumeAccount",
    "post /v1/accounts/{account_id}/rotate": "rotateAccountCredentials",
    "post /v1/accounts/{account_id}/check": "checkAccount",
    "post /v1/accounts/{account_id}/connect": "connectAccount",
    "get /v1/apps": "listApps",
    "post /v1/apps": "createApp",
    "get /v1/apps/{app_id}": "getApp",
    "patch /v1/apps/{app_id}": "updateApp",
    "delete /v1/apps/{app_id}": "deleteApp",
    "get /v1/webhooks": "listWebhooks",
    "post /v1/webhooks": "createWebhook",
    "get /v1/webhooks/{webhook_id}": "getWebhook",
    "patch /v1/webhooks/{webhook_id}": "updateWebhook",
    "delete /v1/webhooks/{webhook_id}": "deleteWebhook",
    "post /v1/webhooks/{webhook_id}/rotate": "rotateWebhookSecret",
    "post /v1/webhooks/{webhook_id}/enable": "enableWebhook",
    "post /v1/webhooks/{webhook_id}/disable": "disableWebhook",
    "post /v1/webhooks/{webhook_id}/test": "testWebhook",
    "post /v1/webhooks/{webhook_id}/recover": "recoverWebhook",
    "get /v1/webhooks/{webhook_id}/deliveries": "listWebhookDeliveries",
    "get /v1/conversations": "listConversations",
    "post /v1/conversations": "createConversation",
    "get /v1/conversations/{conversation_id}": "getConversation",
    "patch /v1/conversations/{conversation_id}": "handleConversation",
    "post /v1/conversations/{conversation_id}/members": "addMembers",
    "delete /v1/conversations/{conversation_id}/members/{user_id}": "removeMember",
    "put /v1/conversations/{conversation_id}/links/{channel}/{address}": "linkAddress",
    "delete /v1/conversations/{conversation_id}/links/{channel}/{address}": "unlinkAddress",
    "post /v1/conversations/{conversation_id}/read": "markRead",
    "post /v1/conversations/{conversation_id}/typing": "showTyping",
    "get /v1/conversations/{conversation_id}/messages": "listMessages",
    "get /v1/reports/conversations": "reportConversations",
    "get /v1/reports/costs": "reportCosts",
    "get /v1/saved-replies": "listSavedReplies",
    "post /v1/saved-replies": "createSavedReply",
    "get /v1/saved-replies/{reply_id}": "getSavedReply",
    "patch /v1/saved-replies/{reply_id}": "updateSavedReply",
    "delete /v1/saved-replies/{reply_id}": "deleteSavedReply",
    "post /v1/saved-replies/{reply_id}/render": "renderSavedReply",
    "post /v1/messages": "sendMessage",
    "post /v1/messages:batch": "sendMessages",
    "get /v1/messages/{message_id}": "getMessage",
    "delete /v1/messages/{message_id}/deliveries": "cancelDeliveries",
    "post /v1/files": "uploadFile",
    "post /v1/files/initiate": "initiateUpload",
    "post /v1/files/complete": "completeUpload",
    "get /v1/files/{file_id}": "getFile",
    "get /v1/files/{file_id}/parts": "listUploadParts",
    "get /v1/files/{file_id}/presigned": "getDownloadUrl",
    "get /objects/{key}": "downloadObject",
    "put /objects/{key}": "uploadObject",
    "get /v1/events": "streamEvents",
    "get /v1/admin/dead-letters": "listDeadLettersOld",
    "get /v1/dead-letters": "listDeadLetters",
    "get /v1/dead-letters/{letter_id}": "getDeadLetter",
    "post /v1/dead-letters/{letter_id}/replay": "replayDeadLetter",
    "post /v1/messages/{message_id}/resend": "resendMessage",
    "get /v1/channels": "listChannels",
    "get /channels/{channel}/webhook": "verifyWebhook",
    "post /channels/{channel}/webhook": "receiveWebhook",
    "get /channels/{channel}/accounts/{account_id}/webhook": "verifyAccountWebhook",
    "post /channels/{channel}/accounts/{account_id}/webhook": "receiveAccountWebhook",
    "get /channels/{channel}/apps/{app_id}/webhook": "verifyAppWebhook",
    "post /channels/{channel}/apps/{app_id}/webhook": "receiveAppWebhook",
    "get /healthz": "getHealth",
    "get /readyz": "getReadiness",
}

# Bodies that work when they are pasted, on a system with its demo users.
EXAMPLES: dict[str, Any] = {
    "logIn": {"client_id": "alice", "client_secret": "the password that `make run` prints"},
    "registerUser": {"user_id": "carol", "password": "correct horse battery", "display_name": "Carol"},
    "createConversation": {"type": "group", "members": ["alice", "bob"], "metadata": {"topic": "lunch"}},
    "sendMessages": {"messages": [{"to": ["bob"], "payload": {"type": "text", "text": "Hello again"}}]},
    "addMembers": {"members": ["carol"]},
}

MESSAGE_ID = "7f1c0f9a-58b7-4f2e-9a55-0d8f3f0f2f11"
# The same of an operation that takes many kinds of things, by what they are called.
SEVERAL: dict[str, Any] = {
    "sendMessage": {
        "text": {"to": ["bob"], "payload": {"type": "text", "text": "Hello Bob"}},
        "answer to a message": {
            "to": ["bob"],
            "payload": {"type": "text", "text": "Of course"},
            "reply_to": MESSAGE_ID,
        },
        "media": {
            "conversation_id": MESSAGE_ID,
            "payload": {"type": "media", "file_id": MESSAGE_ID, "caption": "Look!", "kind": "voice"},
        },
        "location": {
            "to": ["bob"],
            "payload": {"type": "location", "latitude": -23.5614, "longitude": -46.6559, "name": "MASP"},
        },
        "choices": {
            "to": ["whatsapp:+5511999990000"],
            "payload": {
                "type": "choices",
                "text": "When shall we come?",
                "options": [{"id": "mon-am", "title": "Monday"}, {"id": "tue-pm", "title": "Tuesday"}],
            },
        },
        "vote": {"to": ["bob"], "payload": {"type": "vote", "target": MESSAGE_ID, "options": [2]}},
        "reaction": {"to": ["bob"], "payload": {"type": "reaction", "target": MESSAGE_ID, "emoji": "👍"}},
        "edit": {
            "to": ["bob"],
            "payload": {"type": "edit", "target": MESSAGE_ID, "content": {"type": "text", "text": "Hello Rob"}},
        },
        "deletion": {"to": ["bob"], "payload": {"type": "deletion", "target": MESSAGE_ID}},
    }
}

RETRY_AFTER = {"description": "Seconds after which the same again may work", "schema": {"type": "integer", "minimum": 0}}

EVENTS: dict[str, Any] = {
    "tags": ["events"],
    "operationId": "streamEvents",
    "summary": "Everything the caller may read, live",
    "description": "Server-Sent Events: messages, states, positions, changes of conversations, in order within a conversation. "
    "The `id` of each is a cursor; sent back as Last-Event-ID it resumes there, without a gap. Served by the stream server.",
    "security": [{"bearer": []}, {"ticket": []}],
    "parameters": [
        {
            "name": "Last-Event-ID",
            "in": "header",
            "description": "The cursor; left out: what the caller has not acknowledged as delivered, then what is new",
            "schema": {"type": "string", "maxLength": 8192},
        },
        {
            "name": "cursor",
            "in": "query",
            "description": "The same, for who cannot send the header; the header wins",
            "schema": {"type": "string", "maxLength": 8192},
        },
        {
            "name": "all",
            "in": "query",
            "description": "Every conversation, for service clients with scope manage",
            "schema": {"type": "boolean", "default": False},
        },
    ],
    "responses": {
        "200": {"description": "The events", "content": {"text/event-stream": {"schema": {"type": "string"}}}},
        **{
            status: {
                "description": title,
                "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/ProblemDetails"}}},
            }
            for status, title in (
                ("400", "Bad request"),
                ("401", "Not authenticated"),
                ("403", "Not allowed"),
                ("429", "Too many requests"),
                ("503", "Unavailable"),
            )
        },
    },
}


class Documented(OpenAPI):
    """The application; its document is completed when it is first asked for."""

    served: Settings
    _complete: dict[str, Any] | None = None

    def ensure_sync(self, func: Callable[..., Any]) -> Callable[..., Any]:
        """None of ours is async; Flask would look at ten functions for that at every request."""
        return func

    @property
    def api_doc(self) -> dict[str, Any]:
        """The whole document, for everybody who asks: /openapi.json, Swagger UI, and the linters of `make check`."""
        if self._complete is None:
            self._complete = completed(super().api_doc, self.served)
        return self._complete


def completed(made: dict[str, Any], settings: Settings) -> dict[str, Any]:
    """The document with what views cannot say: where it is served, names, examples, headers, and the stream of events."""
    document = deepcopy(made)
    document["info"] |= {"license": LICENSE, "contact": CONTACT}
    document["servers"] = [{"url": settings.public_url or settings.gateway_url, "description": "This system"}]
    document["tags"] = [*document.get("tags", []), {"name": "events", "description": "What happens, as it happens"}]
    stream = settings.public_url or f"http://{settings.host}:{settings.events_port}"
    servers = [{"url": stream, "description": "The stream server"}]
    document["paths"]["/v1/events"] = {"servers": servers, "get": deepcopy(EVENTS)}
    with_components(document)
    with_webhooks(document)
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            if isinstance(operation, dict):
                _complete_operation(f"{method} {path}", operation)
    return document


def _complete_operation(route: str, operation: dict[str, Any]) -> None:
    operation["operationId"] = NAMES.get(route) or _derived(route)
    said = " ".join(each for each in (operation.get("summary"), operation.get("description")) if each)
    operation["summary"] = _first_sentence(operation["summary"])
    operation["description"] = said
    for status, answer in operation["responses"].items():
        if status in {"429", "503"}:
            answer["headers"] = {"Retry-After": deepcopy(RETRY_AFTER)}
    _complete_body(operation)


def _complete_body(operation: dict[str, Any]) -> None:
    content = operation.get("requestBody", {}).get("content", {})
    if operation["operationId"] == "uploadFile":
        content["multipart/form-data"] = content.pop("application/json")
    example = EXAMPLES.get(operation["operationId"])
    if example is not None:
        content["application/json"]["example"] = example
    if several := SEVERAL.get(operation["operationId"]):
        content["application/json"]["examples"] = {
            name.replace(" ", "-"): {"summary": name, "value": each} for name, each in several.items()
        }


def _first_sentence(text: str) -> str:
    """What fits in a menu."""
    return re.split(r"(?<=[a-z)*])[.:;] ", text, maxsplit=1)[0].rstrip(".")


def _derived(route: str) -> str:
    """postUsersBlock for post /v1/users/{user_id}/block."""
    method, _, path = route.partition(" ")
    words = re.findall(r"[a-z0-9]+", re.sub(r"\{[^}]*\}|^/v1", "", path))
    return method + "".join(word.capitalize() for word in words)
