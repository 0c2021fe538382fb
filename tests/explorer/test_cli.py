"""The command line without a display: what it prints and writes, and one sentence for everything that is wrong."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import numpy as np
import pytest
import torch

import engine
from engine import presets, session
from engine.errors import DataError
from engine.network import Network
from engine.requests import Audit, AuditRow, Computed
from engine.session import Session, SessionView
from engine.spec import Experiment, WhatIf
from explorer.cli import compute, main
from explorer.cli.target import resolve

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """The command line in this process: (exit status, stdout, stderr)."""

    def call(*argv: object) -> tuple[int, str, str]:
        status = main([str(word) for word in argv])
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return call


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    """A session of a small LSTM at iteration 0."""
    experiment = msgspec.convert(
        {
            "model": {"layers": [{"cell": "lstm", "hidden_size": 4}]},
            "task": {"kind": "adding", "steps": 8, "batch_size": 2},
            "dtype": "float64",
        },
        type=Experiment,
    )
    weights = {name: tensor.numpy() for name, tensor in Network(experiment).weights.items()}
    path = tmp_path / "saved.gflow"
    session.save(Session(experiment, history={0: weights}, view=SessionView(tracks=("network", "grads.c"))), path)
    return path


@pytest.fixture
def recorded(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    path = tmp_path / "recorded.gflow"
    engine.trace(torch.nn.GRU(2, 3), torch.randn(6, 2, 2), loss=lambda y: y[-1].sum()).save(path)
    return path


def assert_one_sentence(outcome: tuple[int, str, str], words: str = "") -> None:
    status, out, err = outcome
    assert (status, out) == (2, "")
    assert err.count("\n") == 1
    assert err.startswith("gradflow: ")
    assert words in err
    assert "Traceback" not in err


# -- presets, version, help -------------------------------------------------------------------------------------------


def test_presets_are_listed_a_line_each_with_slug_tab_title(run: Run) -> None:
    status, out, err = run("presets")
    assert (status, err) == (0, "")
    assert out.splitlines() == [f"{preset.slug}\t{preset.title}" for preset in presets.load_all()]


def test_the_version_is_the_distribution_s(run: Run) -> None:
    import importlib.metadata

    assert run("--version") == (0, f"gradflow {importlib.metadata.version('gradient-flow-explorer')}\n", "")


@pytest.mark.parametrize("argv", [["--help"], ["-h"], ["help"], ["help", "train"], ["check", "-h"]])
def test_help_names_what_a_command_takes(run: Run, argv: list[str]) -> None:
    status, out, err = run(*argv)
    assert (status, err) == (0, "")
    assert "TARGET" in out


@pytest.mark.parametrize("where", ["gradflow --help", "gradflow train --help", "README.md", "docs/training.md"])
def test_options_of_training_are_shown_by_examples_that_are_understood(run: Run, where: str) -> None:
    if where.startswith("gradflow"):
        _, text, _ = run(*where.split()[1:])
    else:
        text = (Path(__file__).parents[2] / where).read_text(encoding="utf-8")
    lines = re.findall(r"^(?:  )?gradflow train (.*)$", text, flags=re.MULTILINE)
    examples = [shlex.split(line, comments=True) for line in lines]
    for option in ("--until", "--cell", "--seed", "--target", "--missing"):
        assert any(option in words for words in examples), option
    for _, *options in examples:
        # All of them have been understood where the target alone is wrong.
        status, _, err = run("train", "nothing-like-it", *options)
        assert (status, "no preset 'nothing-like-it'" in err) == (2, True), (options, err)


# -- trace and check --------------------------------------------------------------------------------------------------


def test_trace_writes_every_array_of_the_trace(run: Run, saved: Path, tmp_path: Path) -> None:
    assert run("trace", saved, "-o", tmp_path / "x.npz") == (0, "", "")
    with np.load(tmp_path / "x.npz", allow_pickle=False) as arrays:
        found = {name: arrays[name] for name in arrays.files}
    expected = Network(session.load(saved).experiment).trace().numpy()
    for name, array in expected.items():
        assert np.array_equal(found[name], array), name
    assert found["l0.grads.c"].shape == (8, 2, 4)


def test_a_recorded_trace_gives_its_own_arrays(run: Run, recorded: Path, tmp_path: Path) -> None:
    assert run("trace", recorded, "-o", tmp_path / "x.npz")[0] == 0
    with np.load(tmp_path / "x.npz", allow_pickle=False) as arrays:
        assert arrays["l0.grads.h"].shape == (6, 2, 3)


def test_a_preset_that_is_trained_beforehand_is_trained_first(run: Run, tmp_path: Path) -> None:
    assert run("trace", "sunspots", "-o", tmp_path / "x.npz") == (0, "", "")
    preset = presets.load("sunspots")
    untrained = Network(preset.experiment).trace(iteration=preset.experiment.training.iterations)
    with np.load(tmp_path / "x.npz", allow_pickle=False) as arrays:
        assert float(arrays["loss"]) < 0.5 * float(untrained.loss)


def test_progress_of_the_training_is_shown_on_a_terminal(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    status, _, err = run("trace", "sunspots", "-o", tmp_path / "x.npz")
    assert status == 0
    assert "iteration 0 of 150" in err
    assert err.endswith("\r\033[K"), "the line is taken away again"


@pytest.mark.parametrize("name", [preset.slug for preset in presets.load_all()])
def test_every_preset_agrees_with_autograd(run: Run, name: str) -> None:
    status, out, err = run("check", name)
    assert (status, err) == (0, "")
    assert "l0.grads.h" in out
    assert "BEYOND" not in out


@pytest.mark.parametrize("file", ["saved", "recorded"])
def test_files_are_checked_too(run: Run, file: str, request: pytest.FixtureRequest) -> None:
    status, out, _ = run("check", request.getfixturevalue(file))
    assert status == 0
    assert "agree with autograd" in out


@pytest.mark.parametrize("error", [2e-4, float("inf"), float("nan")])
def test_check_ends_with_1_where_an_error_is_beyond_its_tolerance(
    run: Run, monkeypatch: pytest.MonkeyPatch, error: float
) -> None:
    audit = Audit((AuditRow("l0.grads.h", error, 3), AuditRow("l0.values.h", 1e-7, 1)), 1e-4)
    monkeypatch.setattr("explorer.cli.check.compute", lambda *_: audit)
    status, out, err = run("check", "vanilla-rnn-forgets")
    assert (status, err) == (1, "")
    assert [line.split()[-1] for line in out.splitlines() if line.startswith("l0.")] == ["BEYOND", "ok"]
    assert "1 of 2 quantities" in out


# -- render and the window --------------------------------------------------------------------------------------------


def test_render_is_given_what_was_asked_for_and_its_file_is_put_in_place_whole(
    run: Run, tmp_path: Path, saved: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[Any, ...]] = []

    def render(found: Any, output: Path, at: str | None, size: tuple[int, int], *look: Any) -> None:
        asked.append((found.title, at, size, *look))
        assert output != tmp_path / "x.png"
        output.write_bytes(b"picture")

    monkeypatch.setattr("explorer.render.render_to_file", render)
    assert run("render", "one-gate", "-o", tmp_path / "x.png") == (0, "", "")
    words = ("render", saved, "-o", tmp_path / "x.png", "--at", "backward:T/2", "--size", "800x600", "--theme", "light")
    words += ("--scale", "125%", "--drawer", "evaluation")
    assert run(*words) == (0, "", "")
    assert asked == [
        ("One gate to keep or replace", None, (1600, 1000), "dark", 100, ""),
        ("saved", "backward:T/2", (800, 600), "light", 125, "evaluation"),
    ]
    assert (tmp_path / "x.png").read_bytes() == b"picture"
    assert {path.name for path in tmp_path.iterdir() if path.suffix == ".png"} == {"x.png"}


def test_a_render_that_fails_leaves_the_old_picture(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def render(_found: Any, output: Path, *_rest: Any) -> None:
        output.write_bytes(b"half")
        raise DataError("There is no such device.")

    monkeypatch.setattr("explorer.render.render_to_file", render)
    (tmp_path / "x.png").write_bytes(b"old")
    assert_one_sentence(run("render", "one-gate", "-o", tmp_path / "x.png"), "no such device")
    assert [path.name for path in tmp_path.glob("*.png")] == ["x.png"]
    assert (tmp_path / "x.png").read_bytes() == b"old"


def test_the_window_opens_on_the_target_or_on_the_default(
    run: Run, saved: Path, recorded: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[tuple[str, int | None]] = []

    def window(found: Any = None, scale: int | None = None, data: Path | None = None) -> int:
        title = "default" if found is None else found.title
        opened.append((title if data is None else data.name, scale))
        return 0

    monkeypatch.setitem(sys.modules, "explorer.app", SimpleNamespace(main=window))
    data = saved.with_name("own.csv")
    data.write_text("x\n1\n2\n", encoding="utf-8")
    for argv in ([], ["sunspots"], [saved], ["--scale", "200", recorded], ["parity"], [data]):
        assert run(*argv)[0] == 0
    assert opened == [
        ("default", None),
        ("Sunspots since 1700", None),
        ("saved", None),
        ("recorded", 200),
        ("Parity", None),
        ("own.csv", None),
    ]


# -- what is wrong ----------------------------------------------------------------------------------------------------

WRONG: list[tuple[list[str], str]] = [
    (["sunspot"], "did you mean sunspots"),
    (["nowhere.gflow"], "There is no file 'nowhere.gflow'"),
    (["folder/nowhere"], "There is no file"),
    (["."], "folder"),
    ([""], "no preset"),
    (["a\0b"], "no preset"),
    (["--nonsense"], "--help"),
    (["rendr", "sunspots", "-o", "x.png"], "gradflow render"),
    (["sunspots", "one-gate"], "one-gate"),
    (["presets", "more"], "--help"),
    (["check"], "TARGET"),
    (["check", "nothing-like-it"], "no preset 'nothing-like-it'"),
    (["trace", "sunspots"], "-o/--output"),
    (["trace", "sunspots", "-o", "x.png"], ".npz"),
    (["trace", "sunspots", "-o", "nowhere/x.npz"], "folder is not there"),
    (["render", "sunspots"], "-o/--output is missing; see gradflow render --help."),
    (["render", "sunspots", "-o", "x.jpg"], ".png"),
    (["render", "sunspots", "-o", "nowhere/x.png"], "folder is not there"),
    (["render", "sunspots", "-o", "x.png", "--size", "16001000"], "700x450"),
    (["render", "sunspots", "-o", "x.png", "--size", "699x450"], "700x450"),
    (["render", "sunspots", "-o", "x.png", "--size", "7681x4320"], "7680x4320"),
    (["render", "sunspots", "-o", "x.png", "--theme", "blue"], "--theme is 'blue'; light, dark are accepted."),
    (["render", "sunspots", "-o", "x.png", "--scale", "300"], "from 80 to 250 percent"),
    (["render", "sunspots", "-o", "x.png", "--scale", "200", "--size", "1000x800"], "1024x640"),
    (["sunspots", "--scale", "big"], "from 80 to 250 percent"),
    (["--resume", "nowhere"], "Nothing has been handed over"),
    (["render", "sunspots", "-o", "x.png", "--at", "backward:45"], "from 1 to 44"),
    (["render", "sunspots", "-o", "x.png", "--at", "sideways"], "no moment"),
    (["render", "sunspots", "-o", "x.png", "--at", "forward:" + "9" * 5000], "from 1 to 44"),
    (["trace", "sunspots", "-o", "n" * 300 + ".npz"], "too long"),
    (["render", "sunspots", "-o", "x.png", "--at", "forward:0"], "from 1 to 44"),
]


@pytest.mark.parametrize(("argv", "words"), WRONG, ids=[" ".join(argv).replace("\0", "NUL") for argv, _ in WRONG])
def test_what_is_wrong_is_said_in_one_sentence(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, argv: list[str], words: str
) -> None:
    monkeypatch.chdir(tmp_path)
    assert_one_sentence(run(*argv), words)
    assert list(tmp_path.iterdir()) == [], "nothing was written"


@pytest.mark.parametrize("command", [["check"], ["trace", "-o", "x.npz"], ["render", "-o", "x.png"], []])
def test_a_damaged_file_is_refused_in_one_sentence(
    run: Run, saved: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    data = bytearray(saved.read_bytes())
    data[len(data) // 2] ^= 1
    saved.write_bytes(data)
    assert_one_sentence(run(*command[:1], saved, *command[1:]), "damaged")
    assert [path.name for path in tmp_path.iterdir()] == ["saved.gflow"]


def test_an_output_that_is_a_folder_is_refused_before_anything_is_computed(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*_args: object) -> None:
        raise AssertionError("something was computed")

    monkeypatch.setattr("explorer.cli.trace.compute", never)
    (tmp_path / "x.npz").mkdir()
    assert_one_sentence(run("trace", "sunspots", "-o", tmp_path / "x.npz"), "folder")


def test_an_error_of_the_engine_is_said_in_one_sentence(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_args: object) -> None:
        raise DataError("A line\nand another.")

    monkeypatch.setattr("engine.operations.run", fails)
    (tmp_path / "x.npz").write_bytes(b"old")
    assert_one_sentence(run("trace", "one-gate", "-o", tmp_path / "x.npz"), "A line and another.")
    assert (tmp_path / "x.npz").read_bytes() == b"old"


def test_an_interrupted_command_ends_with_one_line(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_args: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("explorer.cli.check.compute", interrupted)
    assert run("check", "one-gate") == (130, "", "gradflow: Interrupted.\n")


# -- targets ----------------------------------------------------------------------------------------------------------


def test_a_preset_comes_before_a_file_of_its_name(saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(saved.parent)
    saved.rename("sunspots")
    assert resolve("sunspots").preset is not None
    assert resolve("./sunspots").session is not None


def test_targets_know_their_length_and_title(saved: Path, recorded: Path) -> None:
    assert [(t.steps, t.title) for t in map(resolve, ("sunspots", str(saved), str(recorded)))] == [
        (44, "Sunspots since 1700"),
        (8, "saved"),
        (6, "recorded"),
    ]


def test_a_session_is_traced_at_its_own_iteration_with_its_what_if(saved: Path) -> None:
    kept = session.load(saved)
    later = replace(kept, iteration=7, history={**kept.history, 7: kept.history[0]}, what_if=WhatIf(forget_bias=2.0))
    session.save(later, saved)
    source = compute.source_of(resolve(str(saved)))
    assert isinstance(source, Computed)
    assert (source.experiment, source.iteration, source.what_if) == (kept.experiment, 7, WhatIf(forget_bias=2.0))
    assert source.weights is not None
    assert np.array_equal(source.weights["weight_hh_l0"], kept.history[0]["weight_hh_l0"])


# -- as a program -----------------------------------------------------------------------------------------------------


def program(*argv: str, **options: Any) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-W", "error", "-m", "explorer", *argv]
    return subprocess.run(command, capture_output=True, text=True, timeout=100, **options)


def test_the_program_lists_presets_and_refuses_in_one_sentence(tmp_path: Path) -> None:
    listed = program("presets")
    assert (listed.returncode, listed.stderr) == (0, "")
    assert listed.stdout.startswith("vanilla-rnn-forgets\t")
    wrong = program("check", "nonsense")
    assert_one_sentence((wrong.returncode, wrong.stdout, wrong.stderr))
    done = program("trace", "one-gate", "-o", str(tmp_path / "x.npz"))
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_a_terminal_without_greek_gets_no_traceback() -> None:
    environment = {**os.environ, "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}
    found = program("check", "vanilla-rnn-forgets", env=environment)
    assert found.returncode == 0
    assert "l0.grads.h" in found.stdout


def test_commands_import_neither_qt_nor_torch_before_they_need_them() -> None:
    code = (
        "import sys; from explorer.cli import main; main(['presets']); main(['check', 'nonsense']);"
        "print({'torch', 'PySide6', 'explorer.document'} & set(sys.modules))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert found.stdout.splitlines()[-1] == "set()"
    check = (
        "import sys; from explorer.cli import main; main(['check', 'one-gate']);"
        "print([name for name in sys.modules if name.startswith('PySide6')])"
    )
    found = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, timeout=60, check=True)
    assert found.stdout.splitlines()[-1] == "[]"
