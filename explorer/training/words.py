"""What is said of a training, in words. Shared by the bar, the controls and the curves."""

from __future__ import annotations

import re
from dataclasses import dataclass

from engine.history import Evaluation
from explorer.training.curves import Curves
from explorer.widgets.numbers import exact, short

RECENT = 100
"""Iterations that "lately" means."""
_LAYER = re.compile(r"l(\d+)(_reverse)?")


def baseline_words(baseline: float) -> str:
    return f"baseline {short(baseline, 3)}"


def layer_words(name: str) -> str:
    """ "l0" → "layer 1", "l1_reverse" → "layer 2, reverse", "readout" → "read-out"."""
    if match := _LAYER.fullmatch(name):
        return f"layer {int(match[1]) + 1}" + (", reverse" if match[2] else "")
    return {"readout": "read-out"}.get(name, name)


def metric_words(evaluation: Evaluation) -> str:
    """ "accuracy 93.1 %", "RMSE 0.183"."""
    if evaluation.metric == "accuracy":
        return f"accuracy {100 * evaluation.value:.1f} %"
    return f"RMSE {short(evaluation.value, 3)}"


def duration_words(seconds: float) -> str:
    """Of one iteration."""
    if seconds <= 0:
        return "–"
    if seconds < 1e-3:
        return f"{short(seconds * 1e6, 2)} µs"
    if seconds < 1:
        return f"{short(seconds * 1e3, 2)} ms"
    return f"{short(seconds, 2)} s"


def clipped_share(curves: Curves) -> float | None:
    """Of the last `RECENT` iterations; None where there is none."""
    lately = curves.clipped[-RECENT:]
    return float(lately.mean()) if len(lately) else None


@dataclass(frozen=True)
class Figures:
    """What stands in the column of numbers."""

    iteration: str = "0"
    took: str = "–"
    loss: str = "–"
    baseline: str = "–"
    validation: str = "–"
    clipped: str = "–"


def figures(curves: Curves, seconds: float) -> Figures:
    """`seconds`: that an iteration takes."""
    baseline = "not known yet" if curves.baseline is None else short(curves.baseline, 3)
    if not len(curves):
        return Figures(iteration=f"{curves.count:,}", baseline=baseline)
    share = clipped_share(curves)
    judged = curves.evaluations[-1] if curves.evaluations else None
    took = seconds or float(curves.seconds)
    return Figures(
        iteration=f"{curves.count:,}" + (f" of {curves.goal:,}" if curves.goal is not None else ""),
        took=duration_words(took),
        loss=short(float(curves.losses[-1]), 3),
        baseline=baseline,
        validation="–" if judged is None else f"{short(judged.loss, 3)}   {metric_words(judged)}",
        clipped="–" if share is None else f"{100 * share:.0f} % of the last {min(RECENT, len(curves)):,}",
    )


def summary(curves: Curves, *, running: bool, sentence: str = "") -> str:
    """The bar's one line."""
    if not len(curves):
        return f"iteration {curves.count:,}" if curves.count else "not trained yet"
    parts = [
        f"iteration {curves.count:,}",
        f"loss {short(float(curves.losses[-1]), 3)}",
        f"grad norm {short(float(curves.grad_norms[-1]), 3)}",
    ]
    if curves.evaluations:
        parts.append(metric_words(curves.evaluations[-1]))
    return "   ·   ".join([*parts, *([sentence] if sentence and not running else [])])


def at_iteration(curves: Curves, iteration: int) -> tuple[str, ...]:
    """The exact numbers of an iteration, a line each."""
    row = curves.row(iteration)
    judged = next((one for one in curves.evaluations if one.iteration == iteration), None)
    lines = [f"iteration {iteration:,}"]
    if row is not None and int(curves.iterations[row]) != iteration and iteration < curves.count:
        lines.append(f"recorded: {int(curves.iterations[row]):,}")
    if row is None or (iteration >= curves.count and int(curves.iterations[row]) != iteration):
        lines.append("not trained on yet")
    else:
        lines.append(f"loss {exact(float(curves.losses[row]))}")
        before, after = float(curves.grad_norms[row]), float(curves.clipped_norms[row])
        said = f"gradient norm {exact(float(f'{before:.6g}'))}"
        lines.append(f"{said} → {exact(float(f'{after:.6g}'))} clipped" if curves.clipped[row] else said)
        lines.extend(
            f"{layer_words(name)} {exact(float(f'{norms[row]:.6g}'))}" for name, norms in curves.layer_norms.items()
        )
    if judged is not None:
        lines.append(f"validation {exact(float(f'{judged.loss:.6g}'))} · {metric_words(judged)}")
    if len(curves.kept) and iteration in curves.kept:
        lines.append("kept: nothing is replayed")
    return tuple(lines)
