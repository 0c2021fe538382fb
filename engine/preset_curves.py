"""`python -m engine.preset_curves`: compute the curves on the cards of the start page and write presets/curves.json.

A curve is log₁₀‖∂L/∂h_t‖ for t = 1 … T (norm over units, per sample, then the mean over the batch), from the same
excerpt that the window shows. A card is a small picture, so three decimals are kept; inf and NaN are kept as they are.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from engine import atomic, folders, presets
from engine.claims import log10
from engine.presets import Preset
from engine.requests import Computed, Excerpt, Look, Weights
from engine.training_requests import Train, Trained

KEY = "grads.h"


def excerpt_of(preset: Preset, keys: tuple[str, ...] = (KEY,)) -> Excerpt:
    """The excerpt of a preset as it opens: after its training beforehand, with its what-if."""
    from engine.operations import run

    experiment, weights = preset.experiment, None
    iterations = experiment.training.iterations
    if iterations:
        trained: Trained = run("train", Train(experiment, None, 0, iterations))
        weights = trained.weights
    found: Excerpt = run("excerpt", Look(_source(preset, weights), keys))
    return found


def curve_of(preset: Preset) -> tuple[float, ...]:
    """log₁₀‖∂L/∂h_t‖, t = 1 … T; −inf for an exact zero."""
    return tuple(log10(float(norm)) for norm in excerpt_of(preset).norms[KEY])


def written(curves: dict[str, Sequence[float]]) -> bytes:
    """The file: one preset a line, so that a change is seen in a diff."""
    lines = (
        f"  {json.dumps(slug)}: {json.dumps([presets.number_to(value) for value in curve])}"
        for slug, curve in curves.items()
    )
    return ("{\n" + ",\n".join(lines) + "\n}\n").encode("ascii")


def main(folder: Path | None = None) -> int:
    path = (folder or folders.presets()) / presets.CURVES_FILE
    curves: dict[str, Sequence[float]] = {preset.slug: curve_of(preset) for preset in presets.load_all()}
    atomic.write(path, [written(curves)])
    print(f"{path}: {len(curves)} curves")
    return 0


def _source(preset: Preset, weights: Weights | None) -> Computed:
    return Computed(preset.experiment, weights, preset.experiment.training.iterations, preset.what_if)


if __name__ == "__main__":
    # Before torch is imported: one thread, as in the engine's process, so that the numbers are the window's.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    sys.exit(main())
