"""The window's process and the engine's keep apart: no torch here, no Qt there, and neither outlives its purpose."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import compute_operations as operations
import pytest

from explorer.compute.executor import EngineProcess
from explorer.compute.worker import NICENESS

SOON = 60.0
HERE = Path(__file__).parent

ASK_THE_REAL_ENGINE = """
import json, sys
from engine.operations import run
from engine.requests import Computed, Look
from engine.spec import AddingTask, Experiment, LayerSpec, ModelSpec
import compute_operations

if __name__ == "__main__":
    from explorer.compute import courier, executor, inline

    with executor.EngineProcess() as engine:
        task = AddingTask(steps=40, batch_size=2)
        experiment = Experiment(model=ModelSpec(layers=(LayerSpec(cell="lstm", hidden_size=32),)), task=task)
        answer = engine.submit(run, "excerpt", Look(Computed(experiment), ("values.h", "grads.c"))).result(100)
        there = engine.submit(compute_operations.run, "imported", ("torch", "PySide6")).result(100)
        threads = engine.submit(compute_operations.run, "torch_threads", None).result(100)
    said = {
        "shapes": {key: array.shape for key, array in answer.arrays.items()},
        "writable": [key for key, array in answer.arrays.items() if array.flags.writeable],
        "torch here": [name for name in sys.modules if name.partition(".")[0] == "torch"],
        "there": there,
        "threads": threads,
    }
    print(json.dumps(said))
"""

WAIT_FOR_THE_END = """
import sys, time
from explorer.compute.executor import EngineProcess
import compute_operations

if __name__ == "__main__":
    engine = EngineProcess(prepare=None, spare_after=0.0)
    print(engine.submit(compute_operations.run, "about", None).result(60)["pid"], flush=True)
    engine.submit(compute_operations.run, "wait", 600.0)
    if sys.argv[1] == "forget":
        sys.exit(0)
    time.sleep(600)
"""


def script(tmp_path: Path, text: str, *arguments: str) -> subprocess.Popen[str]:
    path = tmp_path / "window.py"
    path.write_text(text)
    environment = {**os.environ, "PYTHONPATH": str(HERE)}
    return subprocess.Popen(
        [sys.executable, str(path), *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env=environment,
    )  # fmt: skip


def test_a_real_excerpt_comes_from_a_process_with_torch_and_without_qt_into_one_without_torch(tmp_path: Path) -> None:
    with script(tmp_path, ASK_THE_REAL_ENGINE) as window:
        out, err = window.communicate(timeout=SOON)
    assert (window.returncode, err) == (0, "")
    said = json.loads(out)
    assert said["shapes"] == {"values.h": [40, 32], "grads.c": [40, 32]}
    assert said["writable"] == []
    assert said["torch here"] == []
    assert said["there"] == {"torch": True, "PySide6": False}
    assert said["threads"] == 1


def gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    state = Path(f"/proc/{pid}/stat")
    return state.exists() and state.read_text().rpartition(")")[2].split()[0] == "Z"  # dead, and nobody collects it


def test_the_worker_ends_within_two_seconds_when_its_window_is_killed_while_it_computes(tmp_path: Path) -> None:
    with script(tmp_path, WAIT_FOR_THE_END, "stay") as window:
        assert window.stdout is not None
        worker = int(window.stdout.readline())
        assert not gone(worker)
        window.send_signal(signal.SIGKILL)
        window.wait(SOON)
        deadline = time.monotonic() + 2.0
        while not gone(worker) and time.monotonic() < deadline:
            time.sleep(0.01)
        assert gone(worker)


def test_a_program_that_forgets_to_shut_down_ends_all_the_same_and_quietly(tmp_path: Path) -> None:
    with script(tmp_path, WAIT_FOR_THE_END, "forget") as window:
        out, err = window.communicate(timeout=SOON)
    assert (window.returncode, err) == (0, "")
    assert gone(int(out))


def test_the_worker_gives_way_to_the_window_and_has_one_thread_for_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS")
    monkeypatch.delenv("OMP_WAIT_POLICY")
    names = ("OMP_NUM_THREADS", "OMP_WAIT_POLICY")
    with EngineProcess(prepare=None) as engine:
        about = engine.submit(operations.run, "about", None).result(SOON)
        environment = engine.submit(operations.run, "environment", names).result(SOON)
    assert about["nice"] == min(19, os.nice(0) + NICENESS)
    assert environment == {"OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE"}


def test_the_worker_imports_nothing_of_the_windows_side() -> None:
    with EngineProcess(prepare=None) as engine:
        names = ("PySide6", "torch", "explorer.compute.courier", "explorer.compute.keeper")
        there = engine.submit(operations.run, "imported", names).result(SOON)
    assert there == dict.fromkeys(names, False)
