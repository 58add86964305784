"""Endpoints of webhooks while they, and whoever tells them, are killed."""

import os

from msgspec.structs import replace

from ops.bench.figures import spread
from ops.faults.course import Course
from ops.faults.hearing import judged, two_faced
from ops.faults.history import History
from ops.harness.endpoint import HANGS, Endpoint, endpoint, firsts
from ops.harness.waiting import wait_until

# 5 s between tries become 0.1 s, and one that is down is asked every 6 s at least.
SCALED = {"CHAT4ALL_WEBHOOK_SCHEDULE_SCALE": "0.02", "CHAT4ALL_WEBHOOK_TIMEOUT_S": "3"}
# Each message makes five or six events, and a call for each.
PER_SECOND = 40.0
TOLD, BATCHED = "/told", "/batched"
# Events a request at most, while it is behind.
BATCH = 20
WARM_S = 4.0
KILLS = 20
KILLED = ("endpoint", "worker-channels", "worker-pipeline", "bridge")
AWAY_S = (0.5, 2.0, 8.0)
ALL_S = 120.0
# Away for so long on the schedule as it is, while little happens: SECONDS for another time.
HOUR_S = 3600
SLOWLY = 1.0
# One that is down is asked every six minutes at least, and then there is an hour to tell.
BACK_S = 900.0


def webhooks(run: Course) -> None:
    """An endpoint, told one by one and in batches, workers and bridge are killed in turn, while another answers nothing."""
    told, before = _begun(run, TOLD, BATCHED, HANGS)
    for number in range(int(os.environ.get("KILLS", KILLS))):
        run.go(run.random.uniform(1.0, 3.0))
        _kill(run, told, number)
    run.later.append(lambda: _judge(run, told, before, ALL_S))


def endpoint_away(run: Course) -> None:
    """An endpoint, told one by one and in batches, is away for an hour; times are what they are for everybody."""
    told, before = _begun(run, TOLD, BATCHED)
    run.hit()
    told.kill()
    run.go(float(os.environ.get("SECONDS", HOUR_S)))
    told.start()
    run.hit()
    run.later.append(lambda: _judge(run, told, before, BACK_S))


def _begun(run: Course, *paths: str) -> tuple[Endpoint, set[str]]:
    """An endpoint that is told under these paths; the messages that it need not hear of."""
    told = run.stack.beside.enter_context(endpoint(run.system.settings.data / "endpoint"))
    for path in paths:
        body = {"url": told.url(path), "batch": BATCH if path == BATCHED else 1}
        made = run.crowd.operator.call("POST", "/v1/webhooks", body, expect=(201,))
        told.trusts(path, made["secret"])
    run.go(WARM_S)
    # What was said before may have been published before there was an endpoint.
    return told, {each.message_id for each in run.load.accepted}


def _kill(run: Course, told: Endpoint, number: int) -> None:
    part = KILLED[number % len(KILLED)]
    if part != "endpoint":
        run.kill(part)
        return
    run.hit()
    run.kills += 1
    told.kill()
    # Now and then for so long that it counts as down.
    run.go(AWAY_S[number // len(KILLED) % len(AWAY_S)])
    told.start()
    run.hit()


def _judge(run: Course, told: Endpoint, before: set[str], patience_s: float) -> None:
    """Once all has settled: what it was told of all that was accepted since it was made."""
    base = run.outcome.history()
    asked = replace(base, accepted=[each for each in base.accepted if each.message_id not in before])

    def all_told() -> bool:
        return not _wrong(told, asked)

    try:
        wait_until("the endpoint was told everything", all_told, patience_s, 2.0)
    except TimeoutError:
        run.wrong += _wrong(told, asked)
    for path in (TOLD, BATCHED):
        heard = told.heard(path)
        once = firsts(heard)
        run.figures |= {
            f"{path[1:]}_events": len(once),
            f"{path[1:]}_repeats": len(heard) - len(once),
            f"{path[1:]}_together": max((each.together for each in heard), default=0),
            f"{path[1:]}_after_p99_ms": spread(each.took_ms for each in once).p99,
        }
    refused = told.refused()
    run.wrong += [f"endpoint: {len(refused)} calls were not verified, such as {refused[0]}"] if refused else []


def _wrong(told: Endpoint, asked: History) -> list[str]:
    wrong = []
    for path in (TOLD, BATCHED):
        heard = told.heard(path)
        found = judged(heard, asked) | {"two_faced": two_faced(heard)}
        wrong += [f"endpoint {path}: {name}: {len(each)}, such as {list(each)[:3]}" for name, each in found.items() if each]
    return wrong
