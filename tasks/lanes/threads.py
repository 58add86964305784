"""What blocks is done by a thread, while the loop goes on."""

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor
from functools import partial
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


async def in_thread(executor: Executor, work: Callable[P, T], *words: P.args, **named: P.kwargs) -> T:
    """What this gives, or raises."""
    return await asyncio.get_running_loop().run_in_executor(executor, partial(work, *words, **named))
