"""Computing right here looks the same as computing in the engine's process, but for who computes."""

from __future__ import annotations

import compute_operations as operations
import numpy as np
import pytest

from engine.errors import EngineError
from explorer.compute.executor import EngineProcess
from explorer.compute.inline import InlineExecutor

FAILING = [
    ("refuse", "hidden_size is 0."), ("stumble", None), ("run_out_of_memory", None), ("no such operation", None),
]  # fmt: skip


def test_the_answer_is_there_at_once() -> None:
    with InlineExecutor() as executor:
        future = executor.submit(operations.run, "filled", (3, 2.0))
        assert future.done()
        np.testing.assert_array_equal(future.result().arrays["a"], np.full(3, 2.0, np.float32))


def test_after_its_shutdown_nothing_is_taken_any_more() -> None:
    executor = InlineExecutor()
    executor.shutdown()
    with pytest.raises(RuntimeError, match="shut down"):
        executor.submit(operations.run, "echo", 1)


def test_errors_come_as_they_do_from_the_process() -> None:
    with InlineExecutor() as inline, EngineProcess(prepare=None) as process:
        for operation, request in FAILING:
            errors = [
                executor.submit(operations.run, operation, request).exception(20.0) for executor in (inline, process)
            ]
            assert isinstance(errors[0], EngineError)
            assert type(errors[0]) is type(errors[1])
            assert str(errors[0]) == str(errors[1])
