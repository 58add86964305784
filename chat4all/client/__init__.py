"""The Python client: send, read and listen, with retries that never send twice.

    client = Client("http://127.0.0.1:8000", "127.0.0.1:50051")
    client.login("alice", "a long password")
    client.send("Hello Bob", to="bob")
    for event in client.stream():
        print(event.message.sender, event.message.text)

Answers are the REST API's JSON as dicts; events are `chat4all.v1.chat_pb2.Event`. Safe to use from several threads.
Imports `model` and the stubs, and nothing of the service.
"""

from chat4all.client.client import Client, Sent, message
from chat4all.client.connection import ApiError, Tokens
from chat4all.client.streaming import Stream
from chat4all.client.transfers import Progress

__all__ = ["ApiError", "Client", "Progress", "Sent", "Stream", "Tokens", "message"]
