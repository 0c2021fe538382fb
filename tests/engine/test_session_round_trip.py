"""A saved session comes back exactly, and only a session that fits together can be saved or opened."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from saved_sessions import assert_same, assert_same_arrays, in_float64, small_session, trained_session, weights_of

from engine import container
from engine import session as sessions
from engine.errors import SessionError
from engine.network import Network
from engine.parameters import parameter_shapes
from engine.session import Session, SessionView
from engine.spec import (
    AddingTask,
    CellKind,
    ClipSpec,
    Experiment,
    InitSpec,
    LayerSpec,
    ModelSpec,
    ReadoutSpec,
    SunspotsTask,
    TrainingSpec,
    WhatIf,
)

GOLDEN = Path(__file__).parent.parent / "golden" / "session-1.0.gflow"
TRAINED = GOLDEN.with_name("session-1.1.gflow")


def test_what_was_saved_comes_back_to_the_bit(tmp_path: Path) -> None:
    for saved in (small_session(), in_float64(small_session())):
        path = tmp_path / "a.gflow"
        sessions.save(saved, path)
        assert_same(saved, sessions.load(path))


def test_the_same_session_makes_the_same_bytes(tmp_path: Path) -> None:
    sessions.save(small_session(), tmp_path / "a.gflow")
    sessions.save(small_session(), tmp_path / "b.gflow")
    assert (tmp_path / "a.gflow").read_bytes() == (tmp_path / "b.gflow").read_bytes()


def test_a_file_of_version_1_0_opens_for_ever() -> None:
    found = sessions.load(GOLDEN)
    assert_same(small_session(), found)
    assert (container.probe(GOLDEN).version, found.newer) == ((1, 0), "")


def test_a_file_of_version_1_1_opens_for_ever_with_all_that_a_training_left(tmp_path: Path) -> None:
    found = sessions.load(TRAINED)
    assert_same(trained_session(), found)
    assert (container.probe(TRAINED).version, found.newer) == ((1, 1), "")
    sessions.save(found, tmp_path / "a.gflow")
    assert_same(found, sessions.load(tmp_path / "a.gflow"))
    sessions.save(sessions.load(GOLDEN), tmp_path / "b.gflow")
    assert container.probe(tmp_path / "b.gflow").version == container.VERSION, "what is saved is of today's version"


def test_a_file_says_which_versions_wrote_it(tmp_path: Path) -> None:
    sessions.save(small_session(), tmp_path / "a.gflow")
    found = sessions.load(tmp_path / "a.gflow").written_with
    assert set(found) == {"gradient-flow-explorer", "torch", "numpy"}
    assert found["numpy"] == np.__version__


@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
@pytest.mark.parametrize("loss", ["mse", "cross_entropy"])
@pytest.mark.parametrize("task", [AddingTask(), SunspotsTask()])
def test_the_shapes_that_a_file_is_held_to_are_the_network_s(
    cell: CellKind, loss: str, task: AddingTask | SunspotsTask
) -> None:
    model = msgspec.convert({"layers": [{"cell": cell, "hidden_size": 5}], "loss": loss}, ModelSpec)
    experiment = Experiment(model=model, task=task)
    own = {name: tuple(parameter.shape) for name, parameter in Network(experiment).effective.items()}
    assert list(parameter_shapes(experiment).items()) == list(own.items())


def experiments() -> st.SearchStrategy[Experiment]:
    cells: st.SearchStrategy[CellKind] = st.sampled_from(["rnn", "lstm", "gru"])
    tasks = st.one_of(
        st.builds(AddingTask, steps=st.integers(2, 9), batch_size=st.integers(1, 5)),
        st.builds(SunspotsTask, steps=st.integers(1, 9), batch_size=st.integers(1, 5)),
    )
    layers = st.builds(
        LayerSpec,
        cell=cells,
        hidden_size=st.integers(1, 6),
        init=st.builds(InitSpec, recurrent=st.sampled_from(["default", "orthogonal"]), gain=st.floats(0, 1e6)),
    )
    return st.builds(
        Experiment,
        model=st.builds(
            ModelSpec,
            layers=st.tuples(layers),
            readout=st.builds(ReadoutSpec, at=st.sampled_from(["last", "every"])),
            loss=st.sampled_from(["mse", "cross_entropy"]),
        ),
        task=tasks,
        training=st.builds(
            TrainingSpec,
            learning_rate=st.floats(0, 1e6),
            clip=st.builds(ClipSpec, kind=st.sampled_from(["none", "norm"]), max_norm=st.floats(1e-12, 1e12)),
        ),
        seed=st.integers(0, 2**31 - 1),
        dtype=st.sampled_from(["float32", "float64"]),
    )


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(experiment=experiments(), data=st.data())
def test_random_experiments_come_back_to_the_bit(tmp_path: Path, experiment: Experiment, data: st.DataObject) -> None:
    iterations = data.draw(st.lists(st.integers(0, 10**9), unique=True, max_size=3))
    scale, text = data.draw(st.floats(0, 3)), data.draw(st.text(max_size=40))
    saved = Session(
        experiment=experiment,
        what_if=WhatIf(recurrent_scale=scale),
        iteration=data.draw(st.sampled_from(iterations)) if iterations else 0,
        history={k: weights_of(experiment, k) for k in iterations},
        view=SessionView(tracks=("network", "values.h"), sample=experiment.task.batch_size - 1),
        title=text,
    )
    sessions.save(saved, tmp_path / "a.gflow")
    found = sessions.load(tmp_path / "a.gflow")
    assert_same(replace(saved, title=found.title), found)
    assert found.title.isprintable()


def test_what_was_shown_can_be_compared_to_the_bit(tmp_path: Path) -> None:
    saved = small_session()
    sessions.save(saved, tmp_path / "a.gflow")
    found = sessions.load(tmp_path / "a.gflow")
    assert found.differences(saved.fingerprint) == ()
    moved = {"grads.h": np.nextafter(saved.fingerprint["grads.h"], 1.0)}
    assert found.differences(moved) == ("grads.h",)
    assert found.differences({}) == ("grads.h",)


def test_titles_and_notes_lose_control_and_bidirectional_characters(tmp_path: Path) -> None:
    dressed = replace(small_session(), title="a\u202egnp.exe\x07\nb" + "x" * 500, notes="one\u2066\x1b[31m\ntwo")
    sessions.save(dressed, tmp_path / "a.gflow")
    found = sessions.load(tmp_path / "a.gflow")
    assert found.title.startswith("agnp.exe b")
    assert len(found.title) == 120
    assert found.notes == "one[31m\ntwo"


@pytest.mark.parametrize(
    ("changed", "word"),
    [
        ({"iteration": 5}, "iteration 5"),
        ({"iteration": -1}, "iteration is -1"),
        ({"history": {12: {}}}, "weight_ih_l0"),
        ({"what_if": WhatIf(recurrent_scale=9.0)}, "recurrent_scale"),
        ({"view": SessionView(tracks=("values.z",))}, "values.z"),
        ({"view": SessionView(tracks=("norms", "norms"))}, "twice"),
        ({"view": SessionView(position=15)}, "position is 15"),
        ({"view": SessionView(sample=2)}, "sample is 2"),
        ({"view": SessionView(within=(16, None))}, "within is"),
        ({"view": SessionView(within=(0, -1))}, "within is"),
        ({"view": SessionView(unit=3)}, "unit is 3"),
        ({"view": SessionView(heights={"norms": 0})}, "heights"),
        ({"view": SessionView(time_range=(3, 7))}, "time_range"),
        ({"fingerprint": {"grads.h": np.zeros(5)}}, "grads.h"),
        ({"fingerprint": {"grads.z": np.zeros(6)}}, "z"),
    ],
)
def test_a_session_that_does_not_fit_together_is_not_saved(
    tmp_path: Path, changed: dict[str, object], word: str
) -> None:
    with pytest.raises(SessionError, match=word):
        sessions.save(replace(small_session(), **changed), tmp_path / "a.gflow")
    assert list(tmp_path.iterdir()) == []


def test_weights_of_another_shape_or_type_are_refused(tmp_path: Path) -> None:
    good = small_session()
    for name, array in (
        ("bias_hh_l0", np.zeros(11, "f4")),
        ("bias_hh_l0", np.zeros(12, "f8")),
        ("extra", np.zeros(12, "f4")),
    ):
        history = {12: {**good.history[12], name: array}}
        with pytest.raises(SessionError, match="iteration 12"):
            sessions.save(replace(good, history=history), tmp_path / "a.gflow")


def test_of_a_history_that_is_too_large_the_newest_state_is_saved_and_one_that_is_so_by_itself_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(container.MAX_FILE_BYTES, "session", 64 * 2**20)
    experiment = Experiment(
        model=ModelSpec(layers=(LayerSpec(cell="lstm", hidden_size=1024),)),
        task=AddingTask(steps=6, batch_size=2),
        dtype="float64",
    )
    # 4 · 1024 · 1024 · 8 bytes are 32 MiB a snapshot.
    history = {k: weights_of(experiment, k) for k in (0, 1)}
    sessions.save(Session(experiment, history=history), tmp_path / "a.gflow")
    found = sessions.load(tmp_path / "a.gflow")
    assert set(found.history) == {1}
    assert found.known_from == 1
    assert_same_arrays(found.history[1], history[1])
    monkeypatch.setitem(container.MAX_FILE_BYTES, "session", 32 * 2**20)
    with pytest.raises(SessionError, match=r"32\.\d MiB; a session may have 32\.0 MiB"):
        sessions.save(Session(experiment, history=history), tmp_path / "b.gflow")


def test_a_long_history_is_thinned_to_what_a_file_has_room_for(tmp_path: Path) -> None:
    experiment = Experiment(
        model=ModelSpec(layers=(LayerSpec(cell="lstm", hidden_size=512),)), task=AddingTask(steps=6, batch_size=2)
    )
    # 4 · 512 · 512 · 4 bytes are 4 MiB a snapshot: some 13 of these 41 fit.
    weights = weights_of(experiment)
    whole = Session(experiment, iteration=170, history=dict.fromkeys(range(0, 410, 10), weights))
    thinned = sessions.fitting(whole)
    assert {0, 170, 400} <= set(thinned.history)
    assert 8 < len(thinned.history) < 16
    assert max(np.diff(sorted(thinned.history))) < 100
    sessions.save(thinned, tmp_path / "a.gflow")
    assert sessions.fitting(small_session()).history.keys() == small_session().history.keys()


def test_reading_a_session_imports_no_torch() -> None:
    code = (
        "import sys; from engine import session; "
        f"session.load({str(GOLDEN)!r}); assert 'torch' not in sys.modules, 'torch was imported'"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
