"""What can be done about a training that has diverged, or whose loss has run away: other settings under which it begins
again, from the start or from where it was well still."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from msgspec.structs import replace

from engine.spec import ClipSpec, Experiment
from engine.training_requests import Diverged, RemedyKind


@dataclass(frozen=True)
class WayOut:
    words: str
    tip: str
    experiment: Experiment


def ways_out(experiment: Experiment, bad: Diverged) -> tuple[WayOut, ...]:
    """A tenth of the rate, and clipping where there is none: they act through updates. Where none is to blame, what the
    engine has found to help (engine.remedies)."""
    if bad.untrained:
        return tuple(_WAYS[remedy.kind](remedy.experiment) for remedy in bad.remedies)
    training, found = experiment.training, []
    rate = float(f"{training.learning_rate / 10:.12g}")
    if rate > 0:
        slower = replace(experiment, training=replace(training, learning_rate=rate))
        found.append(_way(f"rate {rate:g}", "with a tenth of the learning rate", slower))
    if training.clip.kind == "none":
        found.append(_clipped(replace(experiment, training=replace(training, clip=ClipSpec(kind="norm")))))
    return tuple(found)


def ways_back(experiment: Experiment, before: Experiment, good: int) -> tuple[WayOut, ...]:
    """From the last iteration that was well, `good`, which had been trained as in `before`: to look at it; on from it
    at the rate that led there, or a tenth of a rate that has not changed; and clipped, where there is no clipping."""
    training, led = experiment.training, before.training.learning_rate
    tip = f"Pause and show iteration {good:,}; what came after it stays until training begins anew from there"
    found = [WayOut(f"Show iteration {good:,}", tip, experiment)]
    rate = led if 0 < led < training.learning_rate else float(f"{training.learning_rate / 10:.12g}")
    if rate > 0:
        slower = replace(experiment, training=replace(training, learning_rate=rate))
        found.append(_on_from(good, f"rate {rate:g}", f"at a learning rate of {rate:g}", slower))
    if training.clip.kind == "none":
        clip = ClipSpec(kind="norm")
        clipped = replace(experiment, training=replace(training, clip=clip))
        how = "with the norm of the gradient clipped"
        found.append(_on_from(good, f"clipping at norm {clip.max_norm:g}", how, clipped))
    return tuple(found)


def _on_from(good: int, what: str, how: str, experiment: Experiment) -> WayOut:
    tip = f"Train anew from iteration {good:,} {how}; undo brings back what is there now"
    return WayOut(f"From {good:,} with {what}", tip, experiment)


def _way(what: str, how: str, experiment: Experiment) -> WayOut:
    tip = f"Train again from the start {how}; undo brings back what is there now"
    return WayOut(f"Again with {what}", tip, experiment)


def _clipped(experiment: Experiment) -> WayOut:
    norm = experiment.training.clip.max_norm
    return _way(f"clipping at norm {norm:g}", "with the norm of the gradient clipped", experiment)


def _shorter(experiment: Experiment) -> WayOut:
    steps = experiment.task.steps
    return _way(f"T = {steps:,}", f"with sequences of {steps:,} steps", experiment)


def _smaller(experiment: Experiment) -> WayOut:
    return _way("spectral radius 1", "with smaller initial recurrent weights, of spectral radius 1", experiment)


def _wider(experiment: Experiment) -> WayOut:
    return _way("float64", "in float64, which reaches up to 1.8e308", experiment)


_WAYS: dict[RemedyKind, Callable[[Experiment], WayOut]] = {
    "clip": _clipped,
    "radius": _smaller,
    "steps": _shorter,
    "float64": _wider,
}
