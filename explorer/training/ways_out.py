"""What can be done about a training that has diverged: other settings under which it begins again."""

from __future__ import annotations

from dataclasses import dataclass

from msgspec.structs import replace

from engine.spec import ClipSpec, Experiment


@dataclass(frozen=True)
class WayOut:
    words: str
    tip: str
    experiment: Experiment


def ways_out(experiment: Experiment) -> tuple[WayOut, ...]:
    """A tenth of the rate; clipping, where there is none."""
    training, found = experiment.training, []
    rate = float(f"{training.learning_rate / 10:.12g}")
    if rate > 0:
        found.append(
            WayOut(
                f"Again with rate {rate:g}",
                "Train again from the start with a tenth of the learning rate; undo brings back what is there now",
                replace(experiment, training=replace(training, learning_rate=rate)),
            )
        )
    if training.clip.kind == "none":
        clip = ClipSpec(kind="norm")
        found.append(
            WayOut(
                f"Again with clipping at norm {clip.max_norm:g}",
                "Train again from the start with the norm of the gradient clipped; undo brings back what is there now",
                replace(experiment, training=replace(training, clip=clip)),
            )
        )
    return tuple(found)
