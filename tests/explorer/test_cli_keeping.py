"""`gradflow train` loses nothing: it is paused, ended, saved now and then, and never over what others have saved."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from command_line import Run, assert_same_training, runs_in

from engine import operations, session
from engine.errors import DataError, SessionError
from engine.session import Session
from engine.training_loop import Progress
from engine.training_requests import Trained
from explorer.cli.training_bar import TrainingBar


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    return runs_in(tmp_path, monkeypatch, capsys)


@pytest.mark.parametrize("how", ["ctrl+c", "terminated"])
def test_an_interrupted_training_is_paused_and_goes_on_to_the_bit(
    run: Run, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    def interrupted(self: TrainingBar, at: Progress) -> None:
        if at.iteration >= 5:
            if how == "ctrl+c":
                raise KeyboardInterrupt
            os.kill(os.getpid(), signal.SIGTERM)

    before = signal.getsignal(signal.SIGTERM)
    with monkeypatch.context() as patched:
        patched.setattr(TrainingBar, "show", interrupted)
        status, out, _ = run("train", "mine.toml", "--iterations", "5000", "-o", "out.gflow")
    paused = session.load("out.gflow")
    assert status == 130
    assert 5 <= paused.iteration < 5000
    assert f"Paused after {paused.iteration:,} iterations." in out
    assert "gradflow train out.gflow --iterations N goes on" in out
    assert signal.getsignal(signal.SIGTERM) is before
    assert run("train", "out.gflow", "--iterations", paused.iteration + 7)[0] == 0
    assert_same_training(session.load("out.gflow"), paused.iteration + 7)


def test_interrupted_before_anything_is_done_it_writes_nothing(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_args: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("engine.operations.run", interrupted)
    status, out, err = run("train", "mine.toml", "--iterations", "5", "-o", "out.gflow")
    assert (status, out) == (130, "")
    prepared, said = err.splitlines()
    assert prepared.startswith("Preparing 'Mine'")
    assert said == "gradflow: Interrupted before an iteration was done; nothing has been written."
    assert not Path("out.gflow").exists()


def test_interrupted_while_it_starts_it_says_so_in_one_line(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_args: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("explorer.cli.commands.resolve", interrupted)
    assert run("train", "mine.toml", "--iterations", "5", "-o", "x.gflow") == (130, "", "gradflow: Interrupted.\n")
    monkeypatch.delitem(sys.modules, "explorer.cli.commands")
    monkeypatch.setattr("builtins.__import__", interrupted_at("explorer.cli.commands"))
    assert run("train", "mine.toml") == (130, "", "gradflow: Interrupted.\n")


def interrupted_at(module: str) -> Callable[..., Any]:
    usual = __import__

    def imported(name: str, *args: Any, **more: Any) -> Any:
        if name == module:
            raise KeyboardInterrupt
        return usual(name, *args, **more)

    return imported


def test_training_saves_now_and_then(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    kept: list[int] = []

    def save(saved: Session, path: Path) -> str:
        kept.append(saved.iteration)
        return ""

    monkeypatch.setattr("explorer.cli.train.SAVE_EVERY", 0.0)
    monkeypatch.setattr("explorer.cli.train.session.save", save)
    assert run("train", "mine.toml", "--iterations", "9", "-o", "out.gflow")[0] == 0
    assert kept == sorted(kept)
    assert len(kept) > 2
    assert kept[-1] == 9


def test_a_save_that_fails_in_between_is_said_and_ends_nothing(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    usual, tried = session.save, []

    def save(saved: Session, path: Path) -> str:
        tried.append(saved.iteration)
        if len(tried) == 1:
            raise SessionError("'out.gflow' could not be written: the disk is full.")
        return usual(saved, path)

    monkeypatch.setattr("explorer.cli.train.SAVE_EVERY", 0.0)
    monkeypatch.setattr("explorer.cli.train.session.save", save)
    status, _, err = run("train", "mine.toml", "--iterations", "9", "-o", "out.gflow")
    assert status == 0
    assert err.count("the disk is full. Training goes on, and saving is tried again.") == 1
    assert session.load("out.gflow").iteration == 9


def test_what_somebody_else_has_saved_meanwhile_is_not_written_over(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run("train", "mine.toml", "--iterations", "4", "-o", "out.gflow")[0] == 0
    theirs = session.load("out.gflow")
    usual, seen = TrainingBar.show, []

    def show(self: TrainingBar, at: Progress) -> None:
        usual(self, at)
        seen.append(at.iteration)
        if at.iteration >= 10 and max(seen[:-1], default=0) < 10:  # once
            session.save(replace(theirs, notes="from the window"), "out.gflow")

    monkeypatch.setattr("explorer.cli.train.SAVE_EVERY", 0.0)
    monkeypatch.setattr(TrainingBar, "show", show)
    status, out, err = run("train", "out.gflow", "--iterations", "16")
    assert status == 0
    found = session.load("out.gflow")
    assert (found.notes, found.iteration) == ("from the window", 4)
    assert_same_training(session.load("out-2.gflow"), 16)
    said = (
        "gradflow: Another program has saved into out.gflow meanwhile: that is left as it is, and this training is in "
        "out-2.gflow."
    )
    assert err.count(said) == 1, "once, and what is saved later goes on into the second"
    assert "Saved in out-2.gflow; gradflow train out-2.gflow --iterations N goes on" in out
    assert not list(Path.cwd().glob("out-3*"))


def test_of_two_trainings_that_begin_one_file_each_is_saved(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """The other one has made the file after this one has looked, and there is a second one already."""
    other, shown = "mine.toml", TrainingBar.show
    assert run("train", other, "--iterations", "3", "-o", "theirs.gflow")[0] == 0
    Path("out-2.gflow").write_bytes(b"somebody's")

    def show(self: TrainingBar, at: Progress) -> None:
        shown(self, at)
        Path("out.gflow").write_bytes(Path("theirs.gflow").read_bytes())

    monkeypatch.setattr(TrainingBar, "show", show)
    status, _, err = run("train", other, "--iterations", "5", "-o", "out.gflow")
    assert status == 0
    assert "this training is in out-3.gflow." in err
    assert session.load("out.gflow").iteration == 3
    assert session.load("out-3.gflow").iteration == 5
    assert Path("out-2.gflow").read_bytes() == b"somebody's"


def test_an_interrupt_while_it_is_saved_comes_behind_that(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else what has just been written would be taken for another program's."""
    usual, saved = session.save, []

    def save(found: Session, path: Path) -> str:
        stamp = usual(found, path)
        saved.append(found.iteration)
        for _ in range(2 if len(saved) == 2 else 0):  # the first would wait by itself
            os.kill(os.getpid(), signal.SIGINT)
            sum(range(1000))  # a handler is called between two operations
        return stamp

    monkeypatch.setattr("explorer.cli.train.SAVE_EVERY", 0.0)
    monkeypatch.setattr("explorer.cli.train.session.save", save)
    status, out, err = run("train", "mine.toml", "--iterations", "5000", "-o", "out.gflow")
    assert status == 130
    assert "Paused after" in out
    assert "Another program" not in err
    assert session.load("out.gflow").iteration == saved[1]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_the_first_interrupt_waits_for_the_end_of_the_chunk_and_the_second_does_not(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Raised in the midst of torch it ends the process, and what has not been saved is lost."""
    usual, whole = operations.run, []

    def interrupted(operation: Any, request: Any) -> Any:
        if operation == "train" and request.iteration >= 4:
            for _ in range(again):
                os.kill(os.getpid(), signal.SIGINT)
                sum(range(1000))  # a handler is called between two operations
        found = usual(operation, request)
        whole.append(found)
        return found

    for again, name in ((1, "one.gflow"), (2, "two.gflow")):
        whole.clear()
        with monkeypatch.context() as patched:
            patched.setattr("engine.operations.run", interrupted)
            assert run("train", "mine.toml", "--iterations", "5000", "-o", name)[0] == 130
        done = session.load(name).iteration
        begun = [one.iteration for one in whole if isinstance(one, Trained)]
        assert done == begun[-1]
        assert (len([k for k in begun if k > 4]), done > 4) == ((1, True) if again == 1 else (0, False))


def test_an_interrupt_that_was_caught_is_forgotten_by_python(tmp_path: Path) -> None:
    """One that comes while a dataclass is made, as torch does by the hundred, ended the process by the signal."""
    (tmp_path / "interrupted.py").write_text(
        "import sys, explorer.cli.commands as commands, explorer.cli as cli\n"
        "def resolve(text):\n"
        "    exec('raise KeyboardInterrupt')\n"
        "commands.resolve = resolve\n"
        "sys.exit(cli.main(['check', 'x']))\n",
        encoding="utf-8",
    )
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path])}
    line = [sys.executable, "-m", "interrupted"]
    ended = subprocess.run(line, capture_output=True, text=True, env=environment, timeout=60, check=False)
    assert (ended.returncode, ended.stderr) == (130, "gradflow: Interrupted.\n")


def test_what_is_done_before_something_goes_wrong_is_saved(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    from engine.operations import run as usual

    def failing(operation: Any, request: Any) -> Any:
        if operation == "train" and request.iteration >= 4:
            raise DataError("The data are gone.")
        return usual(operation, request)

    monkeypatch.setattr("engine.operations.run", failing)
    status, out, err = run("train", "mine.toml", "--iterations", "9", "-o", "out.gflow")
    done = session.load("out.gflow").iteration
    assert (status, done) == (2, 4)
    assert "Paused after 4 iterations." in out
    assert err.splitlines()[-1] == "gradflow: The data are gone."
