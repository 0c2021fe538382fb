"""Protects the status line's honesty: disagreement is named, ratios past a float's range are written, zero is zero."""

from __future__ import annotations

import dataclasses
import itertools
import math

import numpy as np
import pytest
from pytestqt.qtbot import QtBot
from synthetic import excerpt, with_norms

from engine.requests import Audit, AuditRow, Verdict
from explorer.status import NOT_REACHED, About, StatusLine, audit_words, not_finite, verdict_words
from explorer.theme import current as theming

GOOD = Audit((AuditRow("grads.h", 2.1e-7, 3), AuditRow("weight_grads.weight_hh_l0", 1e-8, 0)), 1e-4)
BAD = Audit((AuditRow("grads.a_f", math.inf, 3), AuditRow("grads.h", 1e-2, 7), AuditRow("grads.c", 0.0, 1)), 1e-4)


@pytest.fixture
def line(qtbot: QtBot) -> StatusLine:
    theming.apply("dark")
    made = StatusLine()
    qtbot.addWidget(made)
    made.resize(1280, made.height())
    made.show()
    qtbot.waitExposed(made)
    return made


def test_of_several_layers_the_verdict_says_which_it_is_about() -> None:
    verdict = Verdict("vanishing", -9.0, 1, 50, 50)
    assert verdict_words(verdict, About(layer="layer 2"))[0].startswith("▼ layer 2 vanishing: ")
    assert verdict_words(verdict)[0].startswith("▼ vanishing: ")


def test_agreement_says_the_largest_error() -> None:
    text, tone, tip = audit_words(GOOD, "done")
    assert text == "● gradients match autograd (max rel. error 2.1e-7)"
    assert tone == "healthy"
    assert "weight_grads.weight_hh_l0" in tip


def test_disagreement_says_which_quantity_and_where() -> None:
    text, tone, tip = audit_words(BAD, "done")
    assert text == "✕ grads.a_f and 1 more differ from autograd (rel. error ∞ at t = 3)"
    assert tone == "exploding"
    assert "grads.h: 0.010 at t = 7" in tip


def test_an_error_that_is_nan_is_no_agreement() -> None:
    text, tone, _ = audit_words(Audit((AuditRow("grads.h", math.nan, 1),), 1e-4), "done")
    assert tone == "exploding"
    assert text.startswith("✕ grads.h differs from autograd (rel. error NaN")


def test_what_has_not_been_checked_is_not_called_right() -> None:
    for state in ("none", "checking"):
        assert audit_words(None, state)[1] == "muted"
    assert "checking" in audit_words(GOOD, "checking")[0]


@pytest.mark.parametrize(
    ("verdict", "text"),
    [
        (Verdict("vanishing", math.log10(3) - 9, 1, 50, 50), "▼ vanishing: ‖∂L/∂h₁‖ / ‖∂L/∂h₅₀‖ = 3e-9"),
        (Verdict("vanishing", -365.0, 1, 1000, 1000), "▼ vanishing: ‖∂L/∂h₁‖ / ‖∂L/∂h₁₀₀₀‖ = 1e-365"),
        (Verdict("vanishing", -math.inf, 1, 50, 50), "▼ vanishing: ‖∂L/∂h₁‖ / ‖∂L/∂h₅₀‖ is exactly 0"),
        (Verdict("exploding", math.inf, 1, 50, 50), "▲ exploding: ‖∂L/∂h₁‖ / ‖∂L/∂h₅₀‖ = ∞"),
        (Verdict("healthy", math.log10(0.21), 1, 40, 40), "● healthy: ‖∂L/∂h₁‖ / ‖∂L/∂h₄₀‖ = 0.21"),
        (Verdict("undefined", math.nan, 1, 1, 1), "○ verdict: undefined, there is one step only"),
        (Verdict("undefined", math.nan, 1, 50, 50), "○ undefined: ‖∂L/∂h₁‖ / ‖∂L/∂h₅₀‖ = NaN"),
    ],
)
def test_the_verdict_carries_the_ratio_that_it_rests_on(verdict: Verdict, text: str) -> None:
    assert verdict_words(verdict)[0] == text


def test_with_a_loss_at_every_step_the_verdict_names_the_loss_that_it_is_about() -> None:
    verdict = Verdict("healthy", math.log10(0.21), 1, 8, 8)
    text = verdict_words(verdict, About(several_losses=True))[0]
    assert text == "● healthy: ‖∂L₈/∂h₁‖ / ‖∂L₈/∂h₈‖ = 0.21"


def test_an_infinite_ratio_is_said_as_the_step_at_which_it_overflows() -> None:
    verdict = Verdict("exploding", math.inf, 1, 50, 50)
    assert verdict_words(verdict, About(overflow=27))[0] == "▲ exploding: overflows at t = 27"
    assert "overflows" not in verdict_words(Verdict("exploding", 9.0, 1, 50, 50), About(overflow=27))[0]


def test_the_rule_of_the_verdict_can_stand_beside_it() -> None:
    texts = [verdict_words(Verdict(kind, 0.0, 1, 2, 2), rule=True)[0] for kind in ("vanishing", "healthy", "exploding")]
    assert ["(below 1e-6)" in texts[0], "(1e-6 … 1e6)" in texts[1], "(above 1e6)" in texts[2]] == [True] * 3


@pytest.mark.parametrize(
    ("ratio", "first", "last", "said"),
    [
        (4e4, 1, 21, "grows ×1.7 a step"),  # 4e4 ** (1 / 20)
        (1e-9, 1, 10, "shrinks ×0.10 a step"),
        (0.5, 11, 21, "shrinks ×0.933 a step"),  # 0.5 ** (1 / 10)
        (1.0, 1, 50, "keeps its size from step to step"),
    ],
)
def test_a_verdict_says_what_its_ratio_comes_to_a_step(ratio: float, first: int, last: int, said: str) -> None:
    verdict = Verdict("healthy", math.log10(ratio), first, last, last)
    assert verdict_words(verdict, rate=True)[0].startswith(f"● healthy · {said}: ‖")
    assert said in verdict_words(verdict)[2]
    assert "a step" not in verdict_words(verdict)[0]


def test_a_healthy_ratio_far_above_the_usual_range_is_not_plain_green() -> None:
    """As where a network has exploded and every step carries the same 5.5e10."""
    blown = Verdict("healthy", math.log10(0.84), 1, 20, 20, log10_level=math.log10(5.5e10))
    text, tone, tip = verdict_words(blown, rule=True, rate=True)
    assert text.startswith("⚠ healthy along time, level 5.5e10 above 1e2 · shrinks ")
    assert text.endswith("‖∂L/∂h₁‖ / ‖∂L/∂h₂₀‖ = 0.84"), "the ratio is still there"
    assert tone == "loss"
    assert "largest norm on it is 5.5e10 above 1e2: from 1e-20 to 1e2" in tip
    faint = dataclasses.replace(blown, log10_level=-30.0)
    assert verdict_words(faint)[0].startswith("⚠ healthy along time, level 1e-30 below 1e-20: ")
    usual = dataclasses.replace(blown, log10_level=1.9)
    assert verdict_words(usual)[:2] == ("● healthy: ‖∂L/∂h₁‖ / ‖∂L/∂h₂₀‖ = 0.84", "healthy")


def test_the_level_is_said_as_soon_as_the_tape_has_met_it_and_not_before(line: StatusLine) -> None:
    T = 9
    norms = np.full(T, 10.0)
    norms[3] = 1e4  # at t = 4
    whole = Verdict("healthy", 0.0, 1, T, T, log10_level=4.0)
    line.set_excerpt(dataclasses.replace(with_norms(excerpt("rnn", T=T), {"grads.h": norms}), verdict=whole))
    line.set_reached(False, back_to=5)
    assert line.verdict.text().startswith("● so far healthy")
    assert "level" not in line.verdict.text()
    line.set_reached(False, back_to=3)
    assert line.verdict.text().startswith("⚠ so far healthy along time, level 1e4 above 1e2")
    line.set_reached(True, back_to=1)
    assert "level 1e4 above 1e2" in line.verdict.text()


FLOORED = Verdict("vanishing", -37.9, 501, 1000, 1000, subnormal_from=500, log10_normal=-37.9)


def test_a_floor_of_subnormal_numbers_is_named_and_the_rate_is_that_of_the_way_to_it() -> None:
    """10^(−37.9/499) = 0.84 a step; down to the floor's own 1e-45 over all 999 steps it would be 0.90."""
    text, _, tip = verdict_words(FLOORED, About(dtype="float32"), rate=True, rule=True)
    assert "shrinks ×0.84 a step" in text
    assert text.endswith("‖∂L/∂h₅₀₁‖ / ‖∂L/∂h₁₀₀₀‖ = 1.3e-38, then subnormal: float32's end")
    assert verdict_words(FLOORED, About(dtype="float32"))[0].endswith(", then subnormal")
    assert "down to t = 501" in tip
    assert "float32's end. From t = 500 back the norm is no normal number (below 1.2e-38)" in tip
    zero = dataclasses.replace(FLOORED, log10_ratio=-math.inf, first_step=1)
    text, _, tip = verdict_words(zero, About(dtype="float32"), rate=True)
    assert "shrinks ×0.84 a step" in text
    assert "is exactly 0" in text
    assert "From t = 500 back" in tip


def test_before_the_verdict_the_floor_is_measured_above_it_too(line: StatusLine) -> None:
    T = 50
    norms = np.maximum(10.0 ** -(T - np.arange(1.0, T + 1)), 3e-45)
    whole = Verdict("vanishing", -math.inf, 1, T, T, subnormal_from=12, log10_normal=-37.0)
    line.set_excerpt(dataclasses.replace(with_norms(excerpt("rnn", T=T), {"grads.h": norms}), verdict=whole))
    line.set_reached(False, back_to=14)
    assert "‖∂L/∂h₁₄‖" in line.verdict.text()
    assert "subnormal" not in line.verdict.toolTip()
    line.set_reached(False, back_to=5)
    assert "= 1e-37, then subnormal" in line.verdict.text()
    assert "‖∂L/∂h₁₃‖" in line.verdict.text()


@pytest.mark.parametrize("log10", [math.inf, -math.inf, math.nan])
def test_what_is_no_ratio_has_no_rate(log10: float) -> None:
    text, _, tip = verdict_words(Verdict("undefined", log10, 1, 50, 50), rate=True)
    assert "a step" not in text + tip


def test_the_rate_stands_there_where_there_is_room_and_always_in_the_tooltip(line: StatusLine) -> None:
    line.set_verdict(Verdict("healthy", math.log10(4e4), 1, 21, 21))
    line.set_audit(GOOD)
    line.resize(1600, line.height())
    assert "healthy (1e-6 … 1e6) · grows ×1.7 a step" in line.verdict.text()
    assert not line.verdict.is_elided()
    line.resize(600, line.height())
    assert "×1.7" not in line.verdict.text()
    assert "grows ×1.7 a step" in line.verdict.toolTip()
    line.resize(1600, line.height())
    line.set_audit(BAD)
    line.set_device("cpu", "float32", "No CUDA device is there; the CPU computes instead, as fast as it can.")
    line.set_seconds(12.3)
    assert not line.audit.is_elided()
    assert not line.verdict.is_elided()


def test_agreement_on_nan_and_infinity_is_said() -> None:
    assert audit_words(GOOD, "done", truncated=True)[0].startswith("● full gradients match autograd")
    assert audit_words(GOOD, "done", "NaN and ∞")[0].endswith("2.1e-7; NaN and ∞ in the same places)")
    assert not_finite(excerpt("rnn", T=20, H=4)) == ""
    assert not_finite(excerpt("rnn", T=20, H=4, inf=True, nan=True)) == "NaN and ∞"


def test_the_verdict_is_not_given_away_before_the_tape_has_reached_it(line: StatusLine) -> None:
    shown = excerpt("rnn", T=9, loss_at="every")
    line.set_reached(False)
    line.set_excerpt(shown)
    assert line.verdict.text() == NOT_REACHED
    assert str(shown.verdict.first_step) in line.verdict.toolTip()
    line.set_reached(True)
    assert shown.verdict.kind in line.verdict.text()
    assert "∂L₉/∂h₁" in line.verdict.text()


def test_that_there_is_nan_is_not_given_away_either(line: StatusLine) -> None:
    line.set_reached(False)
    line.set_excerpt(excerpt("rnn", T=20, H=4, inf=True, nan=True))
    line.set_audit(GOOD)
    assert "NaN" not in line.audit.text()
    line.set_reached(True)
    assert "NaN and ∞ in the same places" in line.audit.text()


def test_an_error_is_said_to_be_that_of_finite_gradients_where_others_are_not() -> None:
    some = Audit(GOOD.rows, 1e-4, gradients=1000, finite=400)
    text, tone, tip = audit_words(some, "done", "NaN and ∞", loss=math.inf)
    assert (
        text
        == "● finite gradients match autograd (max rel. error 2.1e-7; loss ∞ in both; NaN and ∞ in the same places)"
    )
    assert tone == "healthy"
    assert "400 of 1,000 gradients" in tip
    assert "the other 600" in tip


def test_where_no_gradient_is_finite_none_is_called_equal() -> None:
    text, tone, _ = audit_words(Audit(GOOD.rows, 1e-4, gradients=1000, finite=0), "done", "NaN")
    assert text == "○ no finite gradient to compare: NaN where autograd has them"
    assert tone == "muted"


def test_a_loss_that_is_not_finite_is_said_once_the_tape_has_come_to_it(line: StatusLine) -> None:
    shown = dataclasses.replace(excerpt("rnn", T=9), loss=math.inf, loss_kind="mse")
    line.set_excerpt(shown)
    line.set_audit(GOOD)
    line.set_reached(False, at_loss=False)
    assert "∞" not in line.audit.text()
    line.set_reached(False, at_loss=True)
    assert "loss ∞ in both" in line.audit.text()


def test_on_the_way_back_the_line_says_what_the_bands_show(line: StatusLine) -> None:
    """Norms of 10^-(50 − t): below 1e-6 of the last one from t = 43 on, by the thresholds of the verdict."""
    T = 50
    norms = 10.0 ** -(T - np.arange(1.0, T + 1))
    shown = with_norms(excerpt("rnn", T=T), {"grads.h": norms})
    line.set_excerpt(dataclasses.replace(shown, verdict=Verdict("vanishing", -49.0, 1, T, T)))
    for back_to, said in ((T + 1, NOT_REACHED), (T, NOT_REACHED), (45, "● so far healthy"), (43, "▼ so far vanishing")):
        line.set_reached(False, back_to=back_to)
        assert line.verdict.text().startswith(said), back_to
    assert "‖∂L/∂h₄₃‖ / ‖∂L/∂h₅₀‖ = 1e-7" in line.verdict.text()
    line.set_reached(True, back_to=1)
    assert line.verdict.text().startswith("▼ vanishing")


def test_of_several_losses_the_verdict_to_come_says_that_it_is_about_the_last_alone(line: StatusLine) -> None:
    """The bands on the stage are about all of them together, and may be crossed before."""
    line.set_excerpt(excerpt("rnn", T=9, loss_at="every"))
    line.set_reached(False, back_to=10)
    assert line.verdict.text() == NOT_REACHED
    line.set_reached(False, back_to=4)
    assert line.verdict.text() == "○ verdict on L₉ alone: at t = 1"


def test_the_line_shows_what_it_was_told(line: StatusLine) -> None:
    line.set_audit(None)
    assert "checking" in line.audit.text()
    line.set_audit(GOOD)
    line.set_device("cpu", "float32", "")
    line.set_seconds(0.0019)
    line.set_verdict(Verdict("healthy", 0.0, 1, 40, 40))
    line.set_saved("saved 14:02")
    assert line.audit.text().startswith("● gradients match")
    assert line.device.text() == "CPU · float32"
    assert not line.note.isVisible()
    assert line.seconds.text() == "trace 1.9 ms"
    assert line.saved.text() == "saved 14:02"
    line.set_device("cpu", "float32", "No CUDA device is there.")
    assert line.note.isVisible()
    line.set_saved("")
    assert not line.saved.isVisible()


@pytest.mark.parametrize("width", [500, 700, 1000, 1920])
def test_texts_elide_instead_of_overlapping_and_the_tooltip_has_all(line: StatusLine, qtbot: QtBot, width: int) -> None:
    line.set_audit(BAD)
    line.set_device("cpu", "float32", "No CUDA device is there; the CPU computes instead of it.")
    line.set_seconds(12.3)
    line.set_verdict(Verdict("vanishing", -365.0, 1, 100_000, 100_000))
    line.set_saved("saved 14:02")
    line.resize(width, line.height())
    qtbot.wait(1)
    labels = [line.audit, line.device, line.note, line.seconds, line.verdict, line.saved]
    for left, right in itertools.pairwise(labels):
        assert left.geometry().right() < right.geometry().left()
    assert line.saved.geometry().right() < width
    for label in labels:
        if label.is_elided():
            assert label.text() in label.toolTip()
    assert not line.device.is_elided()


def test_the_verdict_of_an_lstm_says_what_becomes_of_the_cell_states_gradient_too(line: StatusLine) -> None:
    shown = excerpt("lstm", T=9)
    norms = {**shown.norms, "grads.c": np.logspace(-9, 0, 9)}
    shown = dataclasses.replace(with_norms(shown, norms), verdict=Verdict("healthy", math.log10(0.016), 1, 9, 9))
    line.set_excerpt(shown)
    line.set_reached(True)
    line.set_audit(GOOD)
    line.resize(1000, line.height())
    assert line.verdict.text() == "● healthy: ‖∂L/∂h₁‖ / ‖∂L/∂h₉‖ = 0.016 · of c: ▼ vanishing, 1e-9"
    rnn = excerpt("rnn", T=9)
    line.set_excerpt(rnn)
    assert "of c" not in line.verdict.text()
