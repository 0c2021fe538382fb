"""A recorded trace comes back from its file to the bit, and can be audited without the model."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from saved_sessions import assert_same_arrays, small_session

import engine
from engine import container, recording, session
from engine.errors import SessionError
from engine.requests import Audit, Recorded

KINDS = {"rnn": torch.nn.RNN, "lstm": torch.nn.LSTM, "gru": torch.nn.GRU}
LOSSES = {"a loss a step": lambda y: y.pow(2).sum((1, 2)), "one loss": lambda y: y[-1].sum()}


def recorded(cell: str = "lstm", loss: str = "one loss", dtype: torch.dtype = torch.float64) -> engine.Trace:
    torch.manual_seed(3)
    module = KINDS[cell](3, 4).to(dtype)
    return engine.trace(module, torch.randn(7, 2, 3, dtype=dtype), loss=LOSSES[loss])


def without_head(trace: engine.Trace) -> Audit:
    """A file keeps no graph of what stands after the layer."""
    of_head = ("outputs", "losses", "loss", "l0.output_grads")
    audit = trace.audit()
    return replace(audit, rows=tuple(row for row in audit.rows if row.quantity not in of_head))


@pytest.mark.parametrize("cell", KINDS)
@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_every_array_comes_back_to_the_bit(tmp_path: Path, cell: str, loss: str, dtype: torch.dtype) -> None:
    trace = recorded(cell, loss, dtype)
    trace.save(tmp_path / "a.gflow")
    found = recording.load(tmp_path / "a.gflow")
    assert_same_arrays(trace.numpy(), found.numpy())
    assert torch.equal(trace.flow_row(), found.flow_row())
    assert found.audit() == without_head(trace)
    assert found.audit().passed


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("cell", KINDS)
def test_half_precision_is_widened_in_the_file_which_says_so_and_comes_back_exactly(
    tmp_path: Path, cell: str, dtype: torch.dtype
) -> None:
    module = KINDS[cell](3, 4, 2, bidirectional=True).to(dtype)
    with torch.no_grad():
        module.weight_ih_l0[0] = torch.inf  # and NaN behind it
    trace = engine.trace(module, torch.randn(7, 2, 3, dtype=dtype), loss=LOSSES["a loss a step"])
    path = tmp_path / "a.gflow"
    trace.save(path)
    contents = container.read(path, "trace")
    assert contents.description["widened"] == str(dtype).removeprefix("torch.") == contents.probe.dtype
    assert {array.dtype.name for array in contents.tensors.values()} == {"float32"}
    found = engine.load_trace(path)
    for name, layer in trace.layers.items():
        for part in ("values", "grads", "weights", "initial_grads"):
            for key, array in getattr(layer, part).items():
                again = getattr(found[name], part)[key]
                assert again.dtype == dtype
                assert torch.equal(again.nan_to_num(7.0), array.nan_to_num(7.0))
                assert torch.equal(again.isnan(), array.isnan())
    assert found.outputs.dtype == found.loss.dtype == dtype
    assert_same_arrays(*({key: np.nan_to_num(a, nan=7.0) for key, a in t.numpy().items()} for t in (trace, found)))
    assert found.verdict() == trace.verdict() or not np.isfinite(trace.verdict().log10_ratio)
    narrow = {**contents.tensors, "l0/x": contents.tensors["l0/x"] + np.float32(2.0**-20)}
    write_again(path, contents, narrow)
    with pytest.raises(SessionError, match="'l0/x' has numbers that are no"):
        recording.load(path)


def test_a_recorded_autocast_layer_is_saved_too(tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = torch.nn.RNN(3, 4)
    with engine.record(model) as rec, torch.autocast("cpu", torch.bfloat16):
        model(torch.randn(5, 2, 3))[0].float().pow(2).sum().backward()
    trace = rec[""]
    trace.save(tmp_path / "a.gflow")
    found = engine.load_trace(tmp_path / "a.gflow")
    assert found["l0"].x.dtype == trace["l0"].x.dtype
    assert_same_arrays(*({key: np.nan_to_num(a, nan=7.0) for key, a in t.numpy().items()} for t in (trace, found)))
    assert found["l0"].audit().passed


def test_inf_and_nan_come_back_too(tmp_path: Path) -> None:
    module = torch.nn.RNN(1, 2, nonlinearity="relu")
    with torch.no_grad():
        module.weight_hh_l0.fill_(1e30)
        module.weight_ih_l0.fill_(1.0)
    trace = engine.trace(module, torch.ones(4, 1, 1), loss=lambda y: y[-1].pow(2).sum())
    assert not torch.isfinite(trace["l0"].grads["h"]).all()
    trace.save(tmp_path / "a.gflow")
    assert_same_arrays(trace.numpy(), recording.load(tmp_path / "a.gflow").numpy())


def test_a_window_of_a_trace_is_a_file_of_its_own(tmp_path: Path) -> None:
    for loss in LOSSES:
        window = recorded("gru", loss).window(3, 5)
        window.save(tmp_path / "a.gflow")
        found = recording.load(tmp_path / "a.gflow")
        assert_same_arrays(window.numpy(), found.numpy())
        assert found.first_step == 3


def test_the_audit_of_a_file_sees_a_gradient_that_is_wrong(tmp_path: Path) -> None:
    trace = recorded("gru")
    layer = trace["l0"]
    wrong = layer.grads["h"].clone()
    wrong[2] = 0.0  # a norm over all steps would hardly change
    replace(trace, layers={"l0": replace(layer, grads={**layer.grads, "h": wrong})}).save(tmp_path / "a.gflow")
    audit = recording.load(tmp_path / "a.gflow").audit()
    assert not audit.passed
    assert {row.quantity for row in audit.rows if row.error > audit.tolerance} >= {"l0.grads.h"}


def test_the_file_says_what_it_holds_before_it_is_read(tmp_path: Path) -> None:
    sha256 = recording.save(recorded("gru"), tmp_path / "a.gflow", title="my\u202e model")
    probe = container.probe(tmp_path / "a.gflow")
    assert (probe.content, probe.title, probe.sha256) == ("trace", "my model", sha256)
    assert (probe.cell, probe.steps, probe.batch_size, probe.hidden_size, probe.dtype) == ("gru", 7, 2, 4, "float64")


def test_a_file_that_has_changed_since_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.gflow"
    sha256 = recording.save(recorded("gru"), path)
    recording.load(path, sha256)
    recorded("rnn").save(path)
    with pytest.raises(SessionError, match="has changed"):
        recording.load(path, sha256)


def test_sessions_and_traces_are_not_taken_for_each_other(tmp_path: Path) -> None:
    recorded().save(tmp_path / "trace.gflow")
    session.save(small_session(), tmp_path / "session.gflow")
    with pytest.raises(SessionError, match="holds a trace, not a session"):
        session.load(tmp_path / "trace.gflow")
    with pytest.raises(SessionError, match="holds a session, not a trace"):
        recording.load(tmp_path / "session.gflow")


def test_a_manifest_that_describes_another_trace_is_refused(tmp_path: Path) -> None:
    path, contents = saved_contents(tmp_path)
    probe = contents.probe
    lie = container.Summary(probe.cell, probe.steps + 1, probe.batch_size, probe.hidden_size, probe.dtype)
    container.write(path, "trace", contents.description, contents.tensors, summary=lie)
    with pytest.raises(SessionError, match="another trace"):
        recording.load(path)


@pytest.mark.parametrize(
    "name", ["l0/x", "l0/values/h", "l0/grads/a_f", "l0/weights/weight_hh", "l0/initial/c", "loss", "losses", "outputs"]
)
def test_a_part_that_is_missing_or_of_another_shape_or_type_is_refused(tmp_path: Path, name: str) -> None:
    path, contents = saved_contents(tmp_path)
    good = contents.tensors[name]
    bad = [np.zeros((2, 2, 2, 2, 2)), good.astype("f2"), good.astype("i8")]
    if name == "outputs":  # somebody's own: any shape is right
        bad = bad[1:]
    for array in (None, *bad):
        tensors = {key: value for key, value in contents.tensors.items() if key != name}
        if array is not None:
            tensors[name] = array
        write_again(path, contents, tensors)
        with pytest.raises(SessionError) as caught:
            recording.load(path)
        assert "\n" not in str(caught.value)


def test_a_tensor_that_belongs_to_nothing_is_refused(tmp_path: Path) -> None:
    path, contents = saved_contents(tmp_path)
    write_again(path, contents, {**contents.tensors, "l1/x": np.zeros(3)})
    with pytest.raises(SessionError, match="belongs to nothing"):
        recording.load(path)


@pytest.mark.parametrize(
    "described",
    [
        {},
        {"layers": [{"name": "l0", "cell": "lstm", "activation": "tanh"}], "first_step": 1, "order": ["loss"]},
        {"layers": [], "first_step": 1},
        {"layers": [{"name": "l0", "cell": "lstm", "activation": "tanh"}] * 2, "first_step": 1},
        {"layers": [{"name": "l0", "cell": "gru", "activation": "tanh"}], "first_step": 1},
        {"layers": [{"name": "l0", "cell": "lstm", "activation": "relu"}], "first_step": 1},
        {"layers": [{"name": "l0", "cell": "lstm", "activation": "tanh"}], "first_step": 0},
        {"layers": [{"name": "l0", "cell": "lstm", "activation": "tanh"}], "first_step": 1, "run": "rm -rf"},
    ],
)
def test_a_description_that_does_not_fit_is_refused(tmp_path: Path, described: dict[str, object]) -> None:
    path, contents = saved_contents(tmp_path)
    p = contents.probe
    summary = container.Summary(p.cell, p.steps, p.batch_size, p.hidden_size, p.dtype)
    described = {"order": list(contents.tensors), **described}
    container.write(path, "trace", described, contents.tensors, summary=summary)
    with pytest.raises(SessionError):
        recording.load(path)


def test_a_request_for_a_recorded_trace_is_answered_from_its_file(tmp_path: Path) -> None:
    from engine.operations import run
    from engine.requests import Look

    trace = recorded("lstm", "a loss a step")
    sha256 = recording.save(trace, tmp_path / "a.gflow")
    source = Recorded(str(tmp_path / "a.gflow"), sha256)
    excerpt = run("excerpt", Look(source, ("grads.c",), sample=1))
    assert np.array_equal(excerpt.arrays["grads.c"], trace["l0"].grads["c"][:, 1].numpy())
    assert run("audit", source) == without_head(trace)


def saved_contents(tmp_path: Path) -> tuple[Path, container.Contents]:
    path = tmp_path / "a.gflow"
    recorded().save(path)
    return path, container.read(path, "trace")


def write_again(path: Path, contents: container.Contents, tensors: dict[str, np.ndarray]) -> None:
    p = contents.probe
    summary = container.Summary(p.cell, p.steps, p.batch_size, p.hidden_size, p.dtype)
    described = {**contents.description, "order": list(tensors)}
    container.write(path, "trace", described, tensors, summary=summary)
