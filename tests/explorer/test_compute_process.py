"""The engine's process answers, whatever becomes of it: no future hangs, no answer changes, nothing is left behind."""

from __future__ import annotations

import gc
import multiprocessing
import os
import random
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError
from pathlib import Path
from typing import Any

import compute_operations as operations
import numpy as np
import pytest
from compute_operations import Tree

from engine.errors import SpecError
from explorer.compute.executor import EngineProcess
from explorer.compute.failures import EngineCancelledError, EngineCrashError

SOON = 20.0
"""Seconds that no wait of these tests ever needs, on a busy machine either."""
MIB = 1 << 20


def engine_process(**settings: Any) -> EngineProcess:
    """Without torch, so that a process is there in a tenth of a second."""
    return EngineProcess(**{"prepare": None, "ring_bytes": 4 * MIB, "spare_after": 0.0, **settings})


@pytest.fixture
def engine() -> Iterator[EngineProcess]:
    with engine_process() as made:
        made.start()
        yield made


def ask(engine: EngineProcess, operation: str, request: Any = None) -> Any:
    return engine.submit(operations.run, operation, request).result(SOON)


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + SOON
    while not condition():
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.002)


def two_processes() -> bool:
    return len(multiprocessing.active_children()) == 2


# --- answers -----------------------------------------------------------------------------------------------------


def test_requests_and_answers_cross_with_their_arrays(engine: EngineProcess) -> None:
    rng = np.random.default_rng(3)
    sent = Tree("both ways", {"big": rng.normal(size=(50, 400)), "small": np.arange(4)}, rest=({"a": (1, None)},))
    got = ask(engine, "echo", sent)
    assert (got.name, got.rest) == (sent.name, sent.rest)
    for name, array in sent.arrays.items():
        np.testing.assert_array_equal(got.arrays[name], array)
        assert got.arrays[name].dtype == array.dtype
    assert not got.arrays["big"].flags.writeable


def test_two_hundred_small_requests_in_a_row_are_answered_in_order(engine: EngineProcess) -> None:
    futures = [engine.submit(operations.run, "echo", number) for number in range(200)]
    assert [future.result(SOON) for future in futures] == list(range(200))


def test_answers_that_are_kept_never_change_while_others_come(engine: EngineProcess) -> None:
    """The ring has room for two of these; forty are asked for and half of them are kept."""
    kept: list[tuple[float, np.ndarray]] = []
    for number in range(40):
        array = ask(engine, "filled", (400_000, float(number))).arrays["a"]
        if number % 2:
            kept.append((float(number), array))
        for value, held in kept:
            assert held[0] == held[-1] == value
            assert (held == value).all()


def test_an_answer_larger_than_the_ring_arrives_whole_and_the_ring_grows(engine: EngineProcess) -> None:
    first = ask(engine, "about")["pid"]
    count = 50 * MIB // 4
    for number in (1.0, 2.0):
        array = ask(engine, "filled", (count, number)).arrays["a"]
        assert array.nbytes == 50 * MIB
        assert (array == number).all()
    wait_until(lambda: ask(engine, "about")["pid"] != first)  # a process with a larger ring has taken over
    array = ask(engine, "filled", (count, 3.0)).arrays["a"]
    assert (array == 3.0).all()
    assert not isinstance(_owner(array), bytes), "it came through the pipe again"


def _owner(array: np.ndarray) -> object:
    """What holds the memory that an array lies in."""
    here: Any = array
    while isinstance(here, np.ndarray | memoryview):
        here = here.base if isinstance(here, np.ndarray) else here.obj
    return here


def test_without_memory_for_a_larger_ring_big_answers_still_arrive() -> None:
    with engine_process(ring_bytes=MIB, largest_ring_bytes=MIB) as engine:
        first = ask(engine, "about")["pid"]
        for number in range(3):
            assert (ask(engine, "filled", (MIB, float(number))).arrays["a"] == number).all()
        assert ask(engine, "about")["pid"] == first


# --- errors ------------------------------------------------------------------------------------------------------


def test_errors_of_the_engine_come_by_their_public_class_and_with_their_sentence(engine: EngineProcess) -> None:
    with pytest.raises(SpecError) as caught:
        ask(engine, "refuse", "hidden_size is 0; it must be at least 1.")
    assert type(caught.value) is SpecError
    assert str(caught.value) == "hidden_size is 0; it must be at least 1."


@pytest.mark.parametrize(
    ("operation", "sentence"),
    [
        ("stumble", "The computation failed (Stubborn: 1 and 2)."),
        ("run_out_of_memory", "There is not enough memory for this; fewer steps, units or samples would fit."),
        ("exit_politely", "The computation failed (SystemExit)."),
        ("no such operation", "The computation failed (KeyError: 'no such operation')."),
        ("hand_out_code", "The computation failed (TypeError: cannot pickle 'generator' object)."),
    ],
)
def test_other_errors_come_as_one_sentence_with_details_for_a_log(
    engine: EngineProcess, operation: str, sentence: str
) -> None:
    with pytest.raises(EngineCrashError) as caught:
        ask(engine, operation)
    assert str(caught.value) == sentence
    assert "Traceback" in caught.value.details
    assert ask(engine, "echo", 5) == 5


def test_an_answer_with_something_of_a_foreign_library_in_it_is_refused(engine: EngineProcess) -> None:
    with pytest.raises(EngineCrashError, match=r"a_library_of_the_engine\.Tensor, which is no plain data"):
        ask(engine, "hand_out_a_stranger")
    assert ask(engine, "echo", 5) == 5


def test_a_request_that_cannot_be_sent_fails_alone(engine: EngineProcess) -> None:
    failing = engine.submit(operations.run, "echo", threading.Lock())
    good = engine.submit(operations.run, "echo", 5)
    with pytest.raises(EngineCrashError, match="cannot pickle"):
        failing.result(SOON)
    assert good.result(SOON) == 5


# --- a process that ends -----------------------------------------------------------------------------------------


def test_after_a_crash_the_spare_takes_over(engine: EngineProcess) -> None:
    first = ask(engine, "about")["pid"]
    wait_until(two_processes)
    crashing = engine.submit(operations.run, "leave", 3)
    waiting = engine.submit(operations.run, "about", None)
    with pytest.raises(EngineCrashError, match=r"stopped unexpectedly \(exit code 3\); a fresh one takes over"):
        crashing.result(SOON)
    assert waiting.result(SOON)["pid"] != first
    wait_until(two_processes)


def pid_after_all(engine: EngineProcess) -> int:
    """A process that was killed a moment ago may still be handed one request, which then fails."""
    while True:
        future = engine.submit(operations.run, "about", None)
        if future.exception(SOON) is None:
            return future.result()["pid"]


def test_killed_at_any_moment_every_future_ends_and_the_next_requests_work(engine: EngineProcess) -> None:
    """Big answers, so that a kill also strikes in the middle of one."""
    chance = random.Random(5)
    for _ in range(15):
        pid = pid_after_all(engine)
        futures = [engine.submit(operations.run, "filled", (600_000, float(number))) for number in range(4)]
        time.sleep(chance.uniform(0.0, 0.012))
        os.kill(pid, signal.SIGKILL)
        for number, future in enumerate(futures):
            error = future.exception(SOON)
            if error is None:
                assert (future.result().arrays["a"] == number).all()
            else:
                assert isinstance(error, EngineCrashError)
    assert pid_after_all(engine)
    assert ask(engine, "echo", "alive") == "alive"


def test_a_process_that_dies_while_nothing_is_asked_is_replaced(engine: EngineProcess) -> None:
    for _ in range(4):
        pid = ask(engine, "about")["pid"]
        wait_until(two_processes)
        os.kill(pid, signal.SIGKILL)
        wait_until(lambda pid=pid: pid not in [child.pid for child in multiprocessing.active_children()])
        assert ask(engine, "echo", 1) == 1


def test_an_engine_that_cannot_start_says_why_and_is_tried_again_when_asked_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flag = tmp_path / "flag"
    flag.touch()
    monkeypatch.setenv("GRADFLOW_TEST_FLAG", str(flag))
    with engine_process(prepare="compute_operations:prepare_unless_told_otherwise") as engine:
        waiting = [engine.submit(operations.run, "echo", number) for number in range(2)]
        for future in waiting:
            with pytest.raises(EngineCrashError, match=r"^The engine could not be started. The flag is up.$"):
                future.result(SOON)
        with pytest.raises(EngineCrashError, match="could not be started"):
            ask(engine, "echo", 1)
        flag.unlink()
        assert ask(engine, "echo", 1) == 1


# --- cancelling --------------------------------------------------------------------------------------------------


def test_what_runs_is_cancelled_at_once_and_what_waits_goes_on(engine: EngineProcess) -> None:
    wait_until(two_processes)
    ask(engine, "echo")
    running = engine.submit(operations.run, "wait", 60.0)
    waiting = engine.submit(operations.run, "echo", 7)
    wait_until(running.running)
    wait_until(engine.cancel_running)
    with pytest.raises(EngineCancelledError):
        running.result(SOON)
    assert waiting.result(SOON) == 7
    wait_until(two_processes)


def test_a_future_that_runs_can_always_be_cancelled(engine: EngineProcess) -> None:
    """From its first moment on, when the request has not even been sent."""
    for _ in range(8):
        ask(engine, "echo")
        running = engine.submit(operations.run, "wait", 60.0)
        while not running.running():
            pass
        assert engine.cancel_running(running)
        assert isinstance(running.exception(SOON), EngineCancelledError)


def test_only_the_future_that_is_meant_is_cancelled(engine: EngineProcess) -> None:
    done = engine.submit(operations.run, "echo", 1)
    assert done.result(SOON) == 1
    assert not engine.cancel_running()
    running = engine.submit(operations.run, "wait", 0.1)
    wait_until(running.running)
    assert not engine.cancel_running(done)
    assert running.result(SOON) == 0.1


def test_what_waits_can_be_withdrawn(engine: EngineProcess) -> None:
    running = engine.submit(operations.run, "wait", 0.1)
    withdrawn = engine.submit(operations.run, "leave", 1)
    assert withdrawn.cancel()
    with pytest.raises(CancelledError):
        withdrawn.result(SOON)
    assert running.result(SOON) == 0.1
    assert ask(engine, "echo", 1) == 1


def open_files() -> int:
    listing = Path("/proc/self/fd")
    return len(list(listing.iterdir())) if listing.exists() else 0


def test_twenty_starts_and_cancels_leave_no_file_open_and_no_thread() -> None:
    def cycle(cancels: int) -> None:
        with engine_process() as engine:
            for _ in range(cancels):
                running = engine.submit(operations.run, "wait", 60.0)
                wait_until(engine.cancel_running)
                assert isinstance(running.exception(SOON), EngineCancelledError)
            assert ask(engine, "echo", 1) == 1

    cycle(1)  # starts multiprocessing's own resource tracker, which stays
    gc.collect()
    files, threads = open_files(), threading.active_count()
    for _ in range(4):
        cycle(5)
    gc.collect()
    assert open_files() == files
    assert threading.active_count() == threads
    assert multiprocessing.active_children() == []


# --- the end -----------------------------------------------------------------------------------------------------


def test_shut_down_at_any_moment_everything_ends_and_no_future_hangs() -> None:
    chance = random.Random(9)
    for _ in range(5):
        engine = engine_process()
        futures = [engine.submit(operations.run, "filled", (300_000, 1.0)) for _ in range(5)]
        futures.append(engine.submit(operations.run, "wait", 60.0))
        time.sleep(chance.uniform(0.0, 0.3))
        engine.shutdown()
        assert multiprocessing.active_children() == []
        for future in futures:
            assert future.done()
            if future.exception() is None:
                assert (future.result().arrays["a"] == 1.0).all()
            else:
                assert isinstance(future.exception(), EngineCancelledError)


def test_shutting_down_twice_or_without_a_start_is_harmless_and_final() -> None:
    engine = engine_process()
    engine.shutdown()
    engine.shutdown(wait=False)
    with pytest.raises(RuntimeError, match="shut down"):
        engine.submit(operations.run, "echo", 1)
    engine.start()
    assert multiprocessing.active_children() == []


def test_shutting_down_without_waiting_returns_at_once_and_ends_everything_soon_after() -> None:
    engine = engine_process()
    running = engine.submit(operations.run, "wait", 60.0)
    wait_until(running.running)
    engine.shutdown(wait=False)
    assert isinstance(running.exception(SOON), EngineCancelledError)
    wait_until(lambda: multiprocessing.active_children() == [])


def test_a_callback_may_shut_the_engine_down() -> None:
    engine = engine_process()
    future = engine.submit(operations.run, "echo", 1)
    future.add_done_callback(lambda _: engine.shutdown())
    assert future.result(SOON) == 1
    wait_until(lambda: multiprocessing.active_children() == [])
