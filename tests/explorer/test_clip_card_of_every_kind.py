"""The clip card tells the truth about every kind of clipping, on traces of the engine."""

from __future__ import annotations

import math

import pytest
from pytestqt.qtbot import QtBot

from engine import operations
from engine.requests import Computed, Excerpt, Look
from engine.spec import AddingTask, ClipSpec, Experiment, LayerSpec, ModelSpec, ReadoutSpec, TrainingSpec
from engine.tape import Tape
from explorer.cell.clip_card import rows_of
from explorer.cell.panel import CellPanel
from explorer.theme import current as theme

T = 12
TIGHT_CLIPS = {
    "value": ClipSpec(kind="value", max_value=1e-3),
    "layer": ClipSpec(kind="layer", max_norm=1e-2),
    "parameter": ClipSpec(kind="parameter", max_norm=1e-2),
    "agc": ClipSpec(kind="agc", ratio=1e-3),
    "step": ClipSpec(kind="step", max_norm=1e-4),
}
LOOSE_CLIPS = {
    "value": ClipSpec(kind="value", max_value=1e6),
    "layer": ClipSpec(kind="layer", max_norm=1e6),
    "parameter": ClipSpec(kind="parameter", max_norm=1e6),
    "agc": ClipSpec(kind="agc", ratio=1e6),
    "step": ClipSpec(kind="step", max_norm=1e6),
}


def looked(clip: ClipSpec) -> Excerpt:
    layers = (LayerSpec(cell="lstm", hidden_size=4), LayerSpec(cell="rnn", hidden_size=3))
    experiment = Experiment(
        model=ModelSpec(layers=layers, readout=ReadoutSpec(at="every")),
        task=AddingTask(steps=T, batch_size=2),
        training=TrainingSpec(clip=clip),
        dtype="float64",
        device="cpu",
    )
    found = operations.run("excerpt", Look(Computed(experiment), ()))
    assert isinstance(found, Excerpt)
    return found


def panel(qtbot: QtBot, shown: Excerpt) -> CellPanel:
    theme.apply("dark")
    made = CellPanel()
    qtbot.addWidget(made)
    made.resize(300, 900)
    made.set_excerpt(shown)
    made.set_position(len(Tape(T)) - 2)
    made.show()
    return made


@pytest.mark.parametrize("kind", list(TIGHT_CLIPS))
def test_it_counts_what_was_clipped_and_gives_no_single_factor(qtbot: QtBot, kind: str) -> None:
    shown = looked(TIGHT_CLIPS[kind])
    clip = shown.clip
    assert clip is not None
    assert clip.fired
    assert math.isnan(clip.factor)
    made = panel(qtbot, shown)
    facts = dict(made.clip_card.facts())
    assert "times" not in facts
    assert facts["clipped"].startswith(f"{clip.clipped:,} of {clip.units:,} ")
    assert made.clip_card.title == "CLIP · FIRED"
    assert "nan" not in made.as_text().lower()
    before, after = facts["global norm"].split(" → ")
    assert float(before) == pytest.approx(clip.norm, rel=6e-3)
    assert float(after) == pytest.approx(math.sqrt(sum(row.after**2 for row in clip.rows)), rel=6e-3)
    assert ("comes out" in facts) is (kind == "step")
    assert not made.grab().isNull()


@pytest.mark.parametrize("kind", list(LOOSE_CLIPS))
def test_where_nothing_was_clipped_there_is_one_norm(qtbot: QtBot, kind: str) -> None:
    shown = looked(LOOSE_CLIPS[kind])
    made = panel(qtbot, shown)
    assert made.clip_card.title == "CLIP"
    assert made.clip_card.sentence.startswith("Nothing was clipped")
    assert "clipped" not in dict(made.clip_card.facts())
    assert "parameter\tgradient\n" in made.clip_card.as_text()


def test_by_layer_each_layer_stands_first_with_its_own_factor() -> None:
    clip = looked(TIGHT_CLIPS["layer"]).clip
    assert clip is not None
    names = [row.parameter for row in rows_of(clip)]
    assert [name.split(",")[0] for name in names[:3]] == ["l0", "l1", "readout"]
    for name, row in zip(names, clip.layers, strict=False):
        assert float(name.split("× ")[1]) == pytest.approx(0.01 / row.before, rel=6e-3)  # down to the limit
    assert names[3:] == [row.parameter for row in clip.rows]


@pytest.mark.parametrize(("kind", "words"), [("layer", "each layer"), ("step", "each sample at each step")])
def test_the_limit_says_of_what_it_is(qtbot: QtBot, kind: str, words: str) -> None:
    assert words in dict(panel(qtbot, looked(TIGHT_CLIPS[kind])).clip_card.facts())["limit"]
    assert "limit" not in dict(panel(qtbot, looked(TIGHT_CLIPS["value"])).clip_card.facts())  # no norm: in the sentence
