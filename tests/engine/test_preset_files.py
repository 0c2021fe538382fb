"""Presets are read strictly, and every preset that ships is right."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from engine import claims, folders, preset_curves, presets
from engine.claims import Claim
from engine.errors import PresetError
from engine.operations import run
from engine.requests import Computed, Look
from engine.tape import Tape

SLUGS = (
    "vanilla-rnn-forgets",
    "off-the-cliff",
    "cliff-with-a-rope",
    "number-overflows",
    "cell-state-carousel",
    "one-gate",
    "sunspots",
    "learning-to-add",
    "next-symbol",
    "handwritten-digits",
)
GOOD = """
order = 1
title = "T"
tag = "LSTM"
text = "All of 10⁻³."
prompt = "Why?"
verdict = "healthy"
[experiment.model]
layers = [{ cell = "lstm", hidden_size = 2 }]
[experiment.task]
kind = "adding"
steps = 5
"""


def write(folder: Path, text: str, name: str = "a-preset.toml") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_the_presets_stand_in_the_order_of_the_start_page() -> None:
    assert tuple(preset.slug for preset in presets.load_all()) == SLUGS
    assert presets.default().slug == SLUGS[0]


@pytest.mark.parametrize("slug", SLUGS)
def test_every_preset_is_ready_to_be_shown(slug: str) -> None:
    preset = presets.load(slug)
    Tape(preset.experiment.task.steps).parse(preset.view.moment)
    assert preset.prompt.count("?") == 1
    assert preset.text.endswith(".")
    assert len(preset.curve) == preset.experiment.task.steps
    assert preset.view.tracks[0] == "network"


def test_the_loss_of_the_first_four_is_at_the_last_step_only() -> None:
    assert {presets.load(slug).experiment.model.readout.at for slug in SLUGS[:4]} == {"last"}


def test_the_rope_differs_from_the_cliff_by_its_clipping_alone() -> None:
    cliff, rope = presets.load("off-the-cliff").experiment, presets.load("cliff-with-a-rope").experiment
    assert (cliff.model, cliff.task, cliff.seed, cliff.dtype) == (rope.model, rope.task, rope.seed, rope.dtype)
    assert (cliff.training.clip.kind, rope.training.clip.kind) == ("none", "norm")


def curves_a_rounding_apart(preset: presets.Preset, count: int = 6) -> list[tuple[float, ...]]:
    """The same preset's curves where every weight has been moved by one unit in its last place, up or down."""
    experiment = preset.experiment
    own = preset_curves.excerpt_of(preset).weights
    if own is None:
        return []
    found = []
    for seed in range(count):
        up = np.random.default_rng(seed)
        moved = {
            name: np.nextafter(w, np.where(up.random(w.shape) < 0.5, -np.inf, np.inf).astype(w.dtype), dtype=w.dtype)
            for name, w in own.items()
        }
        excerpt = run("excerpt", Look(Computed(experiment, moved, 0, preset.what_if), (preset_curves.KEY,)))
        found.append(tuple(preset_curves.log10(float(norm)) for norm in excerpt.norms[preset_curves.KEY]))
    return found


@pytest.mark.parametrize("slug", SLUGS)
def test_the_curve_on_a_card_is_what_the_engine_computes(slug: str) -> None:
    """As far as the experiment determines it: where its forward pass is chaotic, another processor's rounding leads to
    another trajectory, and the spread of trajectories that are one rounding apart tells how far apart two may be."""
    preset = presets.load(slug)
    computed = preset_curves.curve_of(preset)
    others = curves_a_rounding_apart(preset)
    for t, (shown, ours) in enumerate(zip(preset.curve, computed, strict=True)):
        around = [curve[t] for curve in others if math.isfinite(curve[t])] + [ours]
        # Another version of torch may round a step differently; a card is some fifty pixels high.
        room = 0.05 + (max(around) - min(around) if math.isfinite(ours) else 0.0)
        assert (math.isnan(shown) and math.isnan(ours)) or shown == ours or abs(shown - ours) < room, t + 1


def test_only_the_two_cliffs_are_chaotic() -> None:
    """Everywhere else a card's curve is determined to the width of its line."""
    spread = {
        slug: max(
            abs(a - b)
            for c in curves_a_rounding_apart(p)
            for a, b in zip(c, p.curve, strict=True)
            if math.isfinite(a - b)
        )
        for slug in SLUGS
        for p in [presets.load(slug)]
        if not p.experiment.training.iterations
    }
    assert {slug for slug, apart in spread.items() if not apart < 0.05} == {"off-the-cliff", "cliff-with-a-rope"}


def test_curves_are_written_so_that_they_can_be_read_again(tmp_path: Path) -> None:
    curve = (-12.3456, 0.0, math.inf, -math.inf, math.nan)
    found = json.loads(preset_curves.written({"a-preset": curve}))
    assert found == {"a-preset": [-12.346, 0.0, "inf", "-inf", "nan"]}
    (tmp_path / "curves.json").write_bytes(preset_curves.written({"a-preset": curve}))
    write(tmp_path, GOOD)
    (preset,) = presets.load_all(tmp_path)
    assert preset.curve[2:4] == (math.inf, -math.inf)
    assert math.isnan(preset.curve[4])


def test_a_wrong_name_is_answered_with_near_ones() -> None:
    with pytest.raises(PresetError, match="did you mean sunspots"):
        presets.load("sunspot")
    with pytest.raises(PresetError, match="did you mean off-the-cliff or cliff-with-a-rope"):
        presets.load("cliff")
    with pytest.raises(PresetError, match="there are vanilla-rnn-forgets, "):
        presets.load("zzz")


def test_a_good_file_is_read(tmp_path: Path) -> None:
    preset = presets.read(write(tmp_path, GOOD))
    assert (preset.slug, preset.title, preset.experiment.layer.cell) == ("a-preset", "T", "lstm")


@pytest.mark.parametrize(
    ("old", "new", "word"),
    [
        ("order = 1", "order = 1\norder = 2", "order|overwrite"),
        ("order = 1", "order = 1\nrun = 'x'", "run"),
        ("order = 1", "", "order"),
        ('tag = "LSTM"', 'tag = "Other"', "tag|Invalid"),
        ('title = "T"', 'title = "\\u202e"', "title is empty"),
        ("steps = 5", "steps = 0", "task.steps is 0"),
        ("steps = 5", 'steps = "5"', "steps"),
        ("hidden_size = 2", "hidden_size = 99999", "hidden_size"),
        ("steps = 5", "steps = 5\n[view]\ntracks = ['values.z']", "values.z"),
        ("steps = 5", "steps = 5\n[view]\ntracks = []", "tracks"),
        ("steps = 5", "steps = 5\n[view]\ntracks = ['norms', 'norms']", "tracks"),
        ("steps = 5", "steps = 5\n[view]\nmoment = 'backward:6'", "backward"),
        ("steps = 5", "steps = 5\n[what_if]\nrecurrent_scale = 99", "recurrent_scale"),
        ("steps = 5", "steps = 5\n[[claims]]\nsays = 'no'\nquantity = 'loss'\nlow = 0\nhigh = 1", "neither"),
        ("steps = 5", "steps = 5\n[[claims]]\nsays = 'All'\nquantity = 'loss'\nlow = 2\nhigh = 1", "low"),
        ("steps = 5", "steps = 5\n[[claims]]\nsays = 'All'\nquantity = 'luck'\nlow = 2\nhigh = 1", "luck"),
        ('title = "T"', "title = [", "a-preset.toml"),
        ('title = "T"', 'title = "' + "x" * 70_000 + '"', "larger"),
    ],
)
def test_a_wrong_file_is_refused_with_one_sentence(tmp_path: Path, old: str, new: str, word: str) -> None:
    assert old in GOOD
    with pytest.raises(PresetError, match=word) as caught:
        presets.read(write(tmp_path, GOOD.replace(old, new)))
    assert "\n" not in str(caught.value)
    assert "a-preset.toml" in str(caught.value)


def test_a_file_that_is_no_text_or_not_there_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_bytes(b"\xff\xfe\x00")
    for path in (tmp_path / "a.toml", tmp_path / "b.toml", tmp_path):
        with pytest.raises(PresetError):
            presets.read(path)
    with pytest.raises(PresetError, match="name"):
        presets.read(write(tmp_path, GOOD, "Not A Slug.toml"))


@pytest.mark.parametrize(
    ("says", "quantity", "number"),
    [
        ("10⁻¹¹", "norm_log10", -11.0),
        ("2·10⁸", "norm_log10", math.log10(2e8)),
        ("a factor of 1,000", "ratio_log10", 3.0),
        ("73 %", "mean_value", 0.73),
        ("t = 26", "first_bad_step", 26.0),
        ("−0.5", "loss", -0.5),
        ("vanishes", "loss", None),
    ],
)
def test_numbers_are_read_from_the_words(says: str, quantity: str, number: float | None) -> None:
    found = claims.stated(Claim(says=says, quantity=quantity, low=0, high=0))
    assert found == (None if number is None else pytest.approx(number))


def test_reading_the_presets_imports_no_torch() -> None:
    code = "import sys; from engine import presets; presets.load_all(); assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_the_folder_is_found() -> None:
    assert {path.stem for path in folders.presets().glob("*.toml")} == set(SLUGS)


def test_the_numbers_of_the_setting_that_a_text_names_are_the_spec_s() -> None:
    by_slug = {preset.slug: preset for preset in presets.load_all()}
    spec = {slug: preset.experiment for slug, preset in by_slug.items()}
    named = {
        "vanilla-rnn-forgets": (f"{spec['vanilla-rnn-forgets'].task.steps} steps",),
        "off-the-cliff": (f"times {spec['off-the-cliff'].layer.init.gain:g}",),
        "cliff-with-a-rope": (f"cut to {spec['cliff-with-a-rope'].training.clip.max_norm:g}",),
        "cell-state-carousel": (
            f"bias {spec['cell-state-carousel'].layer.init.forget_bias:g}",
            f"{spec['cell-state-carousel'].task.steps} steps",
        ),
        "one-gate": (
            f"update bias of {spec['one-gate'].layer.init.update_bias:g}",
            f"{spec['one-gate'].task.steps} steps",
        ),
        "sunspots": (
            f"{spec['sunspots'].training.iterations} iterations",
            f"{spec['sunspots'].task.steps} years",
        ),
    }
    for slug, phrases in named.items():
        for phrase in phrases:
            assert phrase in by_slug[slug].text


OWN = '[experiment.task]\nkind = "adding"\n[experiment.model]\nlayers = [{cell = "lstm"}]\n'


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            '[experiment.training.schedule]\nkind = "cosine"\nlenght = 3\n',
            "experiment.training.schedule has an unknown field 'lenght' (did you mean length?); accepted are kind",
        ),
        (
            "[experiment.training]\nlearningrate = 0.1\n",
            "experiment.training has an unknown field 'learningrate' (did you mean learning_rate?); accepted are",
        ),
        ('[experiment.training.optimizer]\nkind = "adm"\n', "experiment.training.optimizer.kind is 'adm'; "),
        ("[experiment.trainings]\nclip = 3\n", "experiment has an unknown field 'trainings' (did you mean training?)"),
        ("[what_ifs]\n", "the file has an unknown field 'what_ifs' (did you mean what_if?); accepted are "),
        ("x = \n", "it cannot be read as TOML: "),
    ],
)
def test_what_is_wrong_in_somebodys_own_file_is_said_in_our_words(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(OWN + text, encoding="utf-8")
    with pytest.raises(PresetError) as caught:
        presets.read_experiment(path)
    said = str(caught.value)
    assert said.lower().startswith(f"mine.toml: {words}".lower())
    assert "Object contains" not in said
    assert "`" not in said
