"""What a target on disk becomes on screen: a preset, a session or a recorded trace, as state and view."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from engine import beginning, container, presets, session
from engine.errors import SessionError
from engine.presets import Preset
from engine.requests import Recorded
from engine.session import Session
from engine.spec import AddingTask, Experiment, ModelSpec
from engine.tape import Moment, Phase, Tape
from engine.within import Within
from explorer import backups
from explorer.document import pins
from explorer.document.document import Document
from explorer.document.state import State, View
from explorer.document.tracks import DEFAULTS


@dataclass(frozen=True)
class Opening:
    """Everything that the document needs to show something else."""

    state: State
    view: View
    title: str
    path: str = ""
    preset: str = ""
    prompt: str = ""
    saved: Session | None = None
    """The session that was read, for comparing what is computed now with what was shown when it was saved."""
    steps: int = 1
    """Of a recorded trace; an experiment knows its own."""
    unsaved: bool = False
    """It holds work that no file has."""
    stamp: str = ""
    """`Probe.sha256` of what was read from `path`."""

    def into(self, document: Document) -> None:
        document.open(
            self.state,
            self.view,
            title=self.title,
            path=self.path,
            preset=self.preset,
            steps=self.steps,
            unsaved=self.unsaved,
        )

    def at(self, text: str) -> Opening:
        """The same, with the playhead at a moment ("backward:12"). Raises SpecError."""
        tape = Tape(self.state.experiment.task.steps if self.state.experiment is not None else self.steps)
        return replace(self, view=replace(self.view, position=tape.position(tape.parse(text))))


def of_preset(preset: Preset) -> Opening:
    experiment = preset.experiment
    tape = Tape(experiment.task.steps)
    return Opening(
        State(tracks=preset.view.tracks, experiment=experiment, what_if=preset.what_if),
        View(position=tape.position(tape.parse(preset.view.moment)), iteration=experiment.training.iterations),
        title=preset.title,
        preset=preset.slug,
        prompt=preset.prompt,
    )


def of_nothing() -> Opening:
    """A new experiment: the adding problem and a read-out, and no layer between them yet (see State.unfinished). It is
    trained with what learns most tasks; another task, which keeps what somebody has chosen, keeps that too."""
    experiment = Experiment(model=ModelSpec(layers=()), task=AddingTask(), training=beginning.TRAINING)
    tape = Tape(experiment.task.steps)
    return Opening(
        State(tracks=(), experiment=experiment),
        View(position=tape.position(Moment(Phase.LOSS, tape.steps))),
        title="",
    )


def of_experiment(path: Path) -> Opening:
    """Of a TOML file. Raises PresetError with one sentence."""
    return of_preset(presets.read_experiment(path))


def of_path(path: Path) -> Opening:
    """A session or a recorded trace; the backup of a session opens without a file of its own, so that saving it asks
    where to. Raises SessionError with one sentence."""
    found = container.probe(path)
    if found.content == "trace":
        return _of_trace(path, found)
    saved = session.load(path, found.sha256)
    is_backup = bool(backups.session_of(path))
    return Opening(
        State(
            tracks=saved.view.tracks,
            experiment=saved.experiment,
            what_if=saved.what_if,
            past=saved.past,
        ),
        View(
            position=saved.view.position,
            within=None if saved.view.within is None else Within(*saved.view.within),
            granularity=saved.view.granularity,
            iteration=saved.iteration,
            sample=saved.view.sample,
            layer=saved.view.layer,
            unit=saved.view.unit,
            heights=saved.view.heights,
            collapsed=saved.view.collapsed,
            time_range=saved.view.time_range,
            scales=saved.view.scales,
            pins=pins.from_session(saved.pins),
        ),
        title=saved.title or path.stem.removesuffix(".gflow"),
        path="" if is_backup else str(path),
        preset=saved.preset,
        prompt=backups.opened_sentence(path) if is_backup else "",
        saved=saved,
        stamp="" if is_backup else found.sha256,
    )


def _of_trace(path: Path, found: container.Probe) -> Opening:
    cell, steps = found.summary.get("cell"), found.summary.get("steps")
    if cell not in DEFAULTS or not isinstance(steps, int) or steps < 1:
        raise SessionError(f"'{path.name}' does not say which cell it recorded, and over how many steps.")
    tape = Tape(steps)
    return Opening(
        State(tracks=DEFAULTS[cell], recorded=Recorded(str(path), found.sha256)),
        View(position=tape.position(Moment(Phase.LOSS, tape.steps))),
        title=found.title or path.stem,
        path=str(path),
        steps=steps,
        stamp=found.sha256,
    )
