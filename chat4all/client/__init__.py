"""The Python client: send, read and listen, with retries that never send twice.

    client = Client("http://127.0.0.1:8000", "127.0.0.1:50051")
    client.login("alice", "a long password")
    client.send("Hello Bob", to="bob")
    for event in client.stream():
        print(event.message.sender, event.message.text)

What is neither words nor a file is content (`chat4all.model.content`): `send(payload=Location(52.5, 13.4), to="bob")`, and
`content_of(event.message)`.

Answers are the REST API's JSON as dicts; events are `chat4all.v1.chat_pb2.Event`. Safe to use from several threads.
Imports `model` and the stubs, and nothing of the service.
"""

from chat4all.client.bodies import Sent, content_of, message
from chat4all.client.client import Client
from chat4all.client.connection import ApiError, Tokens
from chat4all.client.streaming import Stream
from chat4all.client.transfers import Progress

__all__ = ["ApiError", "Client", "Progress", "Sent", "Stream", "Tokens", "content_of", "message"]
