"""What a target on disk becomes on screen: a preset, a session or a recorded trace, as state and view."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from engine import container, session
from engine.presets import Preset
from engine.requests import Recorded
from engine.spec import AddingTask, Experiment, LayerSpec, ModelSpec
from engine.tape import Moment, Phase, Tape
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
    steps: int = 1
    """Of a recorded trace; an experiment knows its own."""

    def into(self, document: Document) -> None:
        document.open(self.state, self.view, title=self.title, path=self.path, preset=self.preset, steps=self.steps)

    def at(self, text: str) -> Opening:
        """The same, with the playhead at a moment ("backward:12"). Raises SpecError."""
        tape = Tape(self.state.experiment.task.steps if self.state.experiment is not None else self.steps)
        position = tape.position(tape.parse(text))
        view = View(**{**_fields(self.view), "position": position})
        return Opening(self.state, view, self.title, self.path, self.preset, self.prompt, self.steps)


def _fields(view: View) -> dict[str, object]:
    return {name: getattr(view, name) for name in View.__dataclass_fields__}


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
    """A new experiment: a vanilla RNN on the adding problem."""
    experiment = Experiment(model=ModelSpec(layers=(LayerSpec(cell="rnn"),)), task=AddingTask())
    tape = Tape(experiment.task.steps)
    return Opening(
        State(tracks=DEFAULTS["rnn"], experiment=experiment),
        View(position=tape.position(Moment(Phase.LOSS, tape.steps))),
        title="",
    )


def of_path(path: Path) -> Opening:
    """A session or a recorded trace. Raises SessionError with one sentence."""
    probe = container.probe(path)
    if probe.content == "trace":
        tape = Tape(probe.steps)
        return Opening(
            State(tracks=DEFAULTS[probe.cell], recorded=Recorded(str(path), probe.sha256)),
            View(position=tape.position(Moment(Phase.LOSS, tape.steps))),
            title=probe.title or path.stem,
            path=str(path),
            steps=probe.steps,
        )
    saved = session.load(path)
    return Opening(
        State(
            tracks=saved.view.tracks,
            experiment=saved.experiment,
            what_if=saved.what_if,
            history=saved.history,
        ),
        View(
            position=saved.view.position,
            iteration=saved.iteration,
            sample=saved.view.sample,
            unit=saved.view.unit,
            heights=saved.view.heights,
            time_range=saved.view.time_range,
        ),
        title=saved.title or path.stem,
        path=str(path),
        preset=saved.preset or "",
    )
