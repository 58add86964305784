"""A login ends everywhere within two seconds: through real processes, the broker frozen meanwhile."""

import threading
import time
from collections.abc import Callable
from contextlib import ExitStack, closing

import grpc
import pytest
import requests

from chat4all.v1 import chat_pb2 as pb
from chat4all.v1 import chat_pb2_grpc
from ops.harness.api import Api
from ops.harness.system import System

PASSWORD = "correct horse battery"
IN_FORCE_S = 2.0


class Stream:
    """A quiet stream, and when it ended."""

    def __init__(self, read: Callable[[Callable[[], None]], str]) -> None:
        self._live, self._ended = threading.Event(), threading.Event()
        self.why, self.ended_at = "", 0.0
        self._read = read
        threading.Thread(target=self._run, daemon=True).start()
        assert self._live.wait(20)

    def _run(self) -> None:
        self.why = self._read(self._live.set)
        self.ended_at = time.monotonic()
        self._ended.set()

    def end(self) -> float:
        assert self._ended.wait(10), "the stream goes on"
        return self.ended_at


def over_grpc(system: System, token: str) -> Stream:
    def read(live: Callable[[], None]) -> str:
        with grpc.insecure_channel(system.stream_target) as channel:
            metadata = (("authorization", f"Bearer {token}"),)
            try:
                for _ in chat_pb2_grpc.ChatStub(channel).Stream(pb.StreamRequest(), metadata=metadata):
                    live()
            except grpc.RpcError as error:
                return str(error.code())
        return "it ended by itself"

    return Stream(read)


def over_sse(system: System, token: str) -> Stream:
    def read(live: Callable[[], None]) -> str:
        url = f"http://{system.settings.host}:{system.settings.events_port}/v1/events"
        last = ""
        with requests.get(url, headers={"Authorization": f"Bearer {token}"}, stream=True, timeout=60) as answer:
            for line in answer.iter_lines(decode_unicode=True):
                live()
                last = line or last
        return last

    return Stream(read)


def refused_at(system: System, token: str, since: float) -> float:
    """How long until every gateway process refuses the token: twenty refusals in a row, over new connections."""
    refused = 0
    while refused < 20:
        with closing(system.api(token)) as api:
            status = api.request("GET", "/v1/users/me")[0]
        refused = refused + 1 if status == 401 else 0
        if not refused:
            last_good = time.monotonic()
            assert last_good - since < IN_FORCE_S, "it is still good"
    return time.monotonic() - since


def disable(operator: Api, api: Api) -> None:
    operator.call("POST", f"/v1/users/{api.call('GET', '/v1/users/me')['user_id']}/disable")


def log_out(_operator: Api, api: Api) -> None:
    api.call("POST", "/auth/logout")


def end_sessions(operator: Api, api: Api) -> None:
    operator.call("DELETE", f"/v1/users/{api.call('GET', '/v1/users/me')['user_id']}/sessions")


@pytest.mark.end_to_end
@pytest.mark.timeout(300)
def test_a_login_that_ends_is_over_everywhere_within_two_seconds(system: System) -> None:
    """Streams over gRPC and SSE end, and every gateway process refuses the token; an embedded broker is frozen meanwhile."""
    with ExitStack() as opened:
        operator = opened.enter_context(closing(system.operator()))
        made = {who: opened.enter_context(closing(system.register(who, PASSWORD))) for who in ("ana", "ben", "cleo", "dan")}
        stays = over_grpc(system, made["dan"].token)
        if system.settings.broker == "embedded":
            system.freeze("redis")
            opened.callback(system.thaw, "redis")
        for who, ending in (("ana", disable), ("ben", log_out), ("cleo", end_sessions)):
            api = made[who]
            streams = [over_grpc(system, api.token), over_sse(system, api.token)]
            ending(operator, api)
            answered = time.monotonic()
            for stream in streams:
                assert stream.end() - answered < IN_FORCE_S, ending.__name__
            refused_at(system, api.token, answered)
            assert streams[0].why == "StatusCode.UNAUTHENTICATED"
            assert "login has ended" in streams[1].why
        assert not stays.why
        assert made["dan"].call("GET", "/v1/users/me")["user_id"] == "dan"
