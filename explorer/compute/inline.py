"""The engine without a process of its own: for tests, the command line and pictures."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor, Future
from typing import Any

from explorer.compute.failures import describe, revive


class InlineExecutor(Executor):
    """Computes at once, in the calling thread. Errors come as they come from the engine's process."""

    def __init__(self) -> None:
        self._open = True

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        if not self._open:
            raise RuntimeError("The engine has been shut down.")
        future: Future[Any] = Future()
        future.set_running_or_notify_cancel()
        try:
            answer = fn(*args, **kwargs)
        except Exception as error:
            future.set_exception(revive(describe(error)))
        else:
            future.set_result(answer)
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        self._open = False
