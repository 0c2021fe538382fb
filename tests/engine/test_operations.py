"""Requests: what crosses is plain data, naming `run` loads no torch, the memory is bounded."""

from __future__ import annotations

import math
import pickle
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
import torch

import engine
from engine import operations
from engine.device import resolve
from engine.errors import SpecError
from engine.memory import Memory
from engine.operations import forget, run, warm_up
from engine.requests import Audit, Computed, Look, Recorded
from engine.sources import MEMORY, fingerprint, traced
from engine.spec import AddingTask, CellKind, Experiment, InitSpec, LayerSpec, ModelSpec, TrainingSpec, WhatIf


def experiment(cell: CellKind = "rnn", **more: Any) -> Experiment:
    model = ModelSpec(layers=(LayerSpec(cell=cell, hidden_size=3),))
    return Experiment(**({"model": model, "task": AddingTask(steps=5, batch_size=2)} | more))


def test_naming_run_loads_no_torch() -> None:
    code = "import sys; from engine.operations import run; sys.exit('torch' in sys.modules)"
    root = Path(operations.__file__).parent.parent
    assert subprocess.run([sys.executable, "-c", code], cwd=root, timeout=60, check=False).returncode == 0


def test_requests_and_answers_can_be_pickled_without_torch() -> None:
    look = Look(Computed(experiment()), ("values.h",))
    answer = run("excerpt", pickle.loads(pickle.dumps(look)))
    assert b"torch" not in pickle.dumps(answer)


@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_audit_of_a_computed_trace_passes(cell: CellKind, dtype: str) -> None:
    audit: Audit = run("audit", Computed(experiment(cell, dtype=dtype)))
    assert audit.passed, audit.worst
    assert audit.rows


def test_arrays_hold_everything_that_an_export_needs() -> None:
    arrays = run("arrays", Computed(experiment("lstm")))
    assert arrays["l0.values.f"].shape == (5, 2, 3)
    assert {"l0.grads.c", "l0.x", "targets", "weights.weight_hh_l0", "weights.readout.bias", "loss"} <= set(arrays)
    assert all(isinstance(array, np.ndarray) and not array.flags.writeable for array in arrays.values())


def test_a_recorded_trace_is_looked_at_like_any_other(tmp_path: Path) -> None:
    from engine.recording import save

    made, _ = traced(Computed(experiment("lstm")))
    digest = save(made.trace, tmp_path / "mine.gflow")
    source = Recorded(str(tmp_path / "mine.gflow"), digest)
    found = run("excerpt", Look(source, ("grads.c",), sample=1, unit=2))
    own = run("excerpt", Look(Computed(experiment("lstm")), ("grads.c",), sample=1, unit=2))
    assert np.array_equal(found.arrays["grads.c"], own.arrays["grads.c"])
    assert np.array_equal(found.outputs, own.outputs)
    assert found.verdict == own.verdict
    assert found.clip is None
    assert found.update_rows == ()
    assert found.weights is None
    assert found.targets.shape == (0, 0)
    assert found.loss == own.loss
    assert run("audit", source).passed
    assert "l0.values.f" in run("arrays", source)


def test_an_unknown_operation_is_refused() -> None:
    with pytest.raises(SpecError, match="'dance' is no operation; accepted are excerpt, train, judge, audit"):
        run("dance", None)  # type: ignore[arg-type]


def test_warming_up_leaves_nothing_in_the_memory_and_the_threads_as_they_were() -> None:
    threads = torch.get_num_threads()
    warm_up()
    assert len(MEMORY) == 0
    assert torch.get_num_threads() == threads


def test_the_thread_count_comes_back_after_a_request() -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        run("excerpt", Look(Computed(experiment()), ()))
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


def test_a_fingerprint_differs_where_the_trace_does_and_nowhere_else() -> None:
    weights = {name: array.copy() for name, array in run("excerpt", Look(Computed(experiment()), ())).weights.items()}
    nudged = {name: array.copy() for name, array in weights.items()}
    nudged["bias_hh_l0"][0] = np.nextafter(nudged["bias_hh_l0"][0], np.float32(9))
    sources = [
        Computed(experiment()),
        Computed(experiment(seed=1)),
        Computed(experiment(dtype="float64")),
        Computed(experiment(), iteration=1),
        Computed(experiment(), what_if=WhatIf(forget_bias=1.0)),
        Computed(experiment(), weights),
        Computed(experiment(), nudged),
        Recorded("a", "1"),
        Recorded("a", "2"),
    ]
    assert len({fingerprint(source) for source in sources}) == len(sources)
    assert fingerprint(Computed(experiment(), what_if=WhatIf(clip_norm=0.1))) == fingerprint(sources[0])
    assert fingerprint(Computed(experiment(), dict(reversed(weights.items())))) == fingerprint(sources[5])


def test_the_memory_forgets_what_was_used_longest_ago() -> None:
    memory: Memory[bytes] = Memory(len, limit=10)
    memory.put("a", b"....")
    memory.put("b", b"....")
    assert memory.get("a") == b"...."  # now b is the oldest
    memory.put("c", b"....")
    assert memory.get("b") is None
    assert memory.get("a") is not None
    assert memory.bytes == 8
    memory.put("large", b"." * 99)
    assert len(memory) == 1, "the newest is kept, however large"
    memory.put("a", b".")
    assert (len(memory), memory.bytes) == (1, 1)
    memory.put("a", b"..")
    assert (len(memory), memory.bytes) == (1, 2)
    memory.clear()
    assert memory.get("a") is None


def test_a_trace_tells_its_size() -> None:
    forget()
    made, remembered = traced(Computed(experiment("lstm")))
    assert not remembered
    # 10 values and 10 gradients of (T, B, H) float32, and more.
    assert MEMORY.bytes == made.nbytes >= 20 * 5 * 2 * 3 * 4


@pytest.mark.parametrize("asked", ["cuda", "mps"])
def test_a_library_s_user_is_warned_of_another_device_and_the_window_is_only_shown_it(
    asked: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    given = experiment(device=asked)
    with pytest.warns(engine.DeviceWarning, match=rf"^There is no {asked.upper()} device .* CPU instead\.$") as seen:
        network = engine.Network(given)
    assert [Path(warning.filename).name for warning in seen] == [Path(__file__).name]
    assert network.device_note == str(seen[0].message)
    forget()
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        run("excerpt", Look(Computed(given), ()))
        engine.Network(experiment(device="cpu"))
    assert not heard


@pytest.mark.parametrize("asked", ["cuda", "mps"])
def test_an_absent_device_falls_back_to_the_cpu_and_says_so(asked: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    assert resolve(asked) == (
        torch.device("cpu"),
        f"There is no {asked.upper()} device on this machine; computed on the CPU instead.",
    )
    found = run("excerpt", Look(Computed(experiment(device=asked)), ()))
    assert found.device == "cpu"
    assert found.device_note.startswith(f"There is no {asked.upper()} device")


def test_mps_has_no_float64_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    device, note = resolve("mps", "float64")
    assert device == torch.device("cpu")
    assert "float64" in note


def test_the_cpu_needs_no_note() -> None:
    assert resolve("cpu") == (torch.device("cpu"), "")
    assert resolve("auto", "float32", 100) == (torch.device("cpu"), "")


@pytest.mark.parametrize(
    ("change", "what_if", "words"),
    [
        ({"training": TrainingSpec(learning_rate=-5.0)}, WhatIf(), "learning_rate"),
        ({}, WhatIf(clip_norm=-1.0), "clip_norm"),
        ({}, WhatIf(recurrent_scale=math.nan), "recurrent_scale"),
        ({"seed": -1}, WhatIf(), "seed"),
        ({"task": AddingTask(batch_size="many")}, WhatIf(), "batch_size"),  # type: ignore[arg-type]
        ({"model": ModelSpec(layers=())}, WhatIf(), "layers"),
    ],
)
def test_a_remembered_trace_switches_no_check_off(change: dict[str, Any], what_if: WhatIf, words: str) -> None:
    run("excerpt", Look(Computed(experiment("lstm")), ()))
    wrong = Computed(msgspec.structs.replace(experiment("lstm"), **change), None, 0, what_if)
    for operation, request in (("excerpt", Look(wrong, ())), ("audit", wrong), ("arrays", wrong)):
        with pytest.raises(SpecError, match=words):
            run(operation, request)  # type: ignore[arg-type]


def test_a_bias_that_is_no_number_is_not_taken_for_one_that_is_not_given() -> None:
    given = experiment("lstm")
    run("excerpt", Look(Computed(given), ()))
    layer = msgspec.structs.replace(given.layer, init=InitSpec(forget_bias=math.nan))
    wrong = msgspec.structs.replace(given, model=msgspec.structs.replace(given.model, layers=(layer,)))
    with pytest.raises(SpecError, match="forget_bias"):
        run("excerpt", Look(Computed(wrong), ()))
    assert fingerprint(Computed(wrong)) != fingerprint(Computed(given))


def test_only_iteration_0_can_do_without_weights() -> None:
    with pytest.raises(SpecError, match="weights of iteration 5"):
        run("excerpt", Look(Computed(experiment(), None, 5), ()))
    run("excerpt", Look(Computed(experiment(), None, 0), ()))
