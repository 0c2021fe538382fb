"""The status line: agreement with autograd, device and dtype, time of the trace, verdict, saved state."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from PySide6.QtCore import QSize, Qt
from PySide6.QtGui import QColor, QPainter, QPaintEvent, QPen, QResizeEvent
from PySide6.QtWidgets import QHBoxLayout, QLayout, QSizePolicy, QWidget

from engine.dtypes import smallest_normal
from engine.figures import duration
from engine.quantities import layer_title
from engine.requests import LEVELS, Array, Audit, AuditRow, Excerpt, Verdict
from engine.verdict import level_of, so_far
from engine.verdict import verdict as verdict_of
from explorer.theme.current import current
from explorer.theme.tokens import GAP, PAD, SMALL_PX, TIGHT
from explorer.widgets.elided import ElidedLabel
from explorer.widgets.numbers import decade, power, short

AuditState = Literal["none", "checking", "resting", "done"]

_VERDICTS: dict[str, tuple[str, str]] = {
    "vanishing": ("▼", "vanishing"),
    "healthy": ("●", "healthy"),
    "exploding": ("▲", "exploding"),
    "undefined": ("○", "muted"),
}
_SUBSCRIPTS = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")
HEIGHT = 26
KEPT = 200
"""Short texts stay whole; the long ones elide first."""
_VERDICT_KEPT, _ROOMY = 260, 800
"""From this width on the verdict gives way after the audit's sentence."""
_SLACK = 30
"""A longer wording of the verdict is taken where it has so much more room than it needs: its number may get longer."""
_DIGITS = str.maketrans("123456789", "000000000")
_RULES = {"vanishing": " (below 1e-6)", "healthy": " (1e-6 … 1e6)", "exploding": " (above 1e6)"}
NOT_REACHED = "○ verdict: not reached yet"
SO_FAR = "so far "


def audit_words(
    audit: Audit | None, state: AuditState, not_finite: str = "", truncated: bool = False, loss: float = 0.0
) -> tuple[str, str, str]:
    """(text, tone, tooltip) of the agreement with autograd. `not_finite`: what of NaN and ∞ the gradients hold, as far
    as it is told; `truncated`: what is shown has been truncated after that; `loss`: as far as the tape has come to it.

    An error is that of finite numbers. What is not finite was compared by its place, and the words say which is which.
    """
    if state == "checking":
        return "… checking against autograd", "muted", "Comparing every quantity of this trace with autograd."
    if state == "resting":
        words = "While training runs one trace comes after the other: they are compared with autograd when it rests."
        return "… checked when training rests", "muted", words
    if audit is None or not audit.rows:
        return "○ not checked against autograd", "muted", "This trace has not been compared with autograd."
    worst = audit.worst
    where = f" at t = {worst.step}" if worst.step else ""
    rows = "\n".join(
        f"{'✕' if not row.error <= audit.tolerance else '●'} {row.quantity}: {short(row.error, 2)}"
        + (f" at t = {row.step}" if row.step else "")
        for row in sorted(audit.rows, key=_error, reverse=True)[:12]
    )
    tip = f"Largest relative error per quantity; up to {audit.tolerance:g} counts as agreement.\n{rows}"
    which = "full gradients" if truncated else "gradients"
    if truncated:
        tip = f"Compared is the gradient of the loss; what is shown is what truncation leaves of it.\n{tip}"
    if audit.passed:
        also = f"; {not_finite} in the same places" if not_finite else ""
        if not_finite and audit.gradients:
            rest = audit.gradients - audit.finite
            tip = (
                f"Compared number by number: {audit.finite:,} of {audit.gradients:,} gradients, which are finite. "
                f"Compared by place and sign: the other {rest:,}, which are {not_finite}.\n{tip}"
            )
            if not audit.finite:
                return f"○ no finite {which[:-1]} to compare: {not_finite} where autograd has them", "muted", tip
            which = which.replace("gradients", "finite gradients")
        if not math.isfinite(loss):
            also = f"; loss {'NaN' if math.isnan(loss) else '∞'} in both{also}"
        return f"● {which} match autograd (max rel. error {short(worst.error, 2)}{also})", "healthy", tip
    failed = sum(not row.error <= audit.tolerance for row in audit.rows)
    others = f" and {failed - 1} more" if failed > 1 else ""
    said = f"✕ {worst.quantity}{others} differ{'' if others else 's'} from autograd"
    return f"{said} (rel. error {short(worst.error, 2)}{where})", "exploding", tip


@dataclass(frozen=True, slots=True)
class About:
    """What else is known of a trace whose verdict is told."""

    several_losses: bool = False
    """The verdict is that of one loss of many, which the symbols then name."""
    overflow: int = 0
    """The step at which a gradient passes what the dtype holds (0: none does); a ratio of ∞ rests on it."""
    truncated: bool = False
    """An exact 0 may be truncation's."""
    carried: Verdict | None = None
    """The same of an LSTM's cell state, whose gradient has a way of its own and may fare otherwise."""
    layer: str = ""
    """Which one it is about, where there are several."""
    dtype: str = ""
    """Whose end subnormal numbers are."""


_NOTHING = About()


def verdict_words(
    verdict: Verdict, about: About = _NOTHING, *, rule: bool = False, rate: bool = False
) -> tuple[str, str, str]:
    """(text, tone, tooltip): "▼ vanishing: ‖∂L/∂h₁‖ / ‖∂L/∂h₅₀‖ = 3e-9".

    `rule`: with the thresholds. `rate`: with what it comes to a step: "healthy" within the thresholds may still grow
    by half at each.
    """
    overflow, carried, dtype = about.overflow, about.carried, about.dtype
    glyph, tone = _VERDICTS[verdict.kind]
    whose = f"{about.layer} " if about.layer else ""
    first, last, at = (
        str(step).translate(_SUBSCRIPTS) for step in (verdict.first_step, verdict.last_step, verdict.loss_step)
    )
    loss = f"L{at}" if about.several_losses else "L"
    if verdict.kind == "undefined" and verdict.first_step == verdict.last_step:
        return f"{glyph} {whose}verdict: undefined, there is one step only", tone, "A ratio needs two time steps."
    tip = (
        f"How much of the gradient of the loss at t = {verdict.loss_step} is left at t = {verdict.first_step}: "
        f"its norm there over its norm at t = {verdict.last_step}, mean over the batch.\n"
        "Vanishing below 1e-6, exploding above 1e6."
    )
    each = rate_words(verdict)
    if each:
        way = f"down to t = {verdict.subnormal_from + 1}" if verdict.subnormal_from else "on the way back"
        tip += f"\nOn average it {each} {way}."
    if verdict.subnormal_from:
        least = f" (below {short(smallest_normal(dtype), 2)})" if dtype else ""
        tip += (
            f"\nThen subnormal: {dtype or 'the type'}'s end. From t = {verdict.subnormal_from} back the norm is no "
            f"normal number{least}: its digits are going, and what stands there does not say how the gradient fares."
        )
    if carried is not None and (of_c := rate_words(carried)):
        tip += f"\nThat of the cell state c {of_c}."
    if verdict.kind == "exploding" and overflow and math.isinf(verdict.log10_ratio):
        return f"{glyph} {whose}exploding: overflows at t = {overflow}", tone, tip
    if about.truncated and verdict.log10_ratio == -math.inf:
        return f"{glyph} {whose}cut off: truncation lets nothing of {loss} reach h{first}", tone, tip
    tip += _level_tip(verdict)
    named: str = verdict.kind
    if verdict.kind == "healthy" and verdict.off_level:
        glyph, tone, named = "⚠", "loss", f"healthy along time, level {_level_words(verdict)}"
    ratio = power(verdict.log10_ratio)
    equals = f"is {ratio}" if ratio == "exactly 0" else f"= {ratio}"
    said = named + (_RULES.get(named, "") if rule else "") + (f" · {each}" if rate and each else "")
    if verdict.first_step == verdict.subnormal_from + 1 > 1:
        equals += f", then subnormal: {dtype}'s end" if rule and dtype else ", then subnormal"
    also = "" if carried is None else f" · {_carried_words(verdict, carried)}"
    return f"{glyph} {whose}{said}: ‖∂{loss}/∂h{first}‖ / ‖∂{loss}/∂h{last}‖ {equals}{also}", tone, tip


def _level_words(verdict: Verdict) -> str:
    """ "5.5e10 above 1e2": the largest norm, and the end of the range that it is beyond."""
    assert verdict.log10_level is not None
    return f"{power(verdict.log10_level)} {verdict.off_level} {decade(LEVELS[verdict.off_level == 'above'])}"


def _level_tip(verdict: Verdict) -> str:
    if not verdict.off_level:
        return ""
    return (
        f"\nThat is about the way along time alone. The largest norm on it is {_level_words(verdict)}: from "
        f"{decade(LEVELS[0])} to {decade(LEVELS[1])} is what the scale of gradients usually has."
    )


def rate_words(verdict: Verdict) -> str:
    """ "grows ×1.7 a step", "shrinks ×0.83 a step", "keeps its size"; "" where there is no such number."""
    first, log10 = verdict.first_step, verdict.log10_ratio
    if verdict.subnormal_from:  # on the floor it would be that of nothing
        first, log10 = verdict.subnormal_from + 1, verdict.log10_normal
    steps = verdict.last_step - first
    if steps < 1 or not math.isfinite(log10):
        return ""
    each = log10 / steps
    factor = power(each, 3 if 0.9 < 10.0 ** min(each, 9.0) < 1.1 else 2)
    if float(factor) == 1.0:
        return "keeps its size from step to step"
    return f"{'grows' if each > 0 else 'shrinks'} ×{factor} a step"


def _carried_words(verdict: Verdict, carried: Verdict) -> str:
    """ "of c 0.55", "of c vanishing: 3e-9"; with its steps where they are others."""
    ratio = power(carried.log10_ratio)
    alike = (carried.first_step, carried.last_step) == (verdict.first_step, verdict.last_step)
    floor = ", then subnormal" if carried.first_step == carried.subnormal_from + 1 > 1 else ""
    steps = "" if alike else f" (t = {carried.first_step}{floor})"
    if carried.kind == "undefined":
        return "of c undefined"
    differs = f"{_VERDICTS[carried.kind][0]} {carried.kind}, " if carried.kind != verdict.kind else ""
    return f"of c: {differs}{ratio}{steps}"


def several_losses(excerpt: Excerpt) -> bool:
    """Whether more than one step has a loss."""
    return int(np.count_nonzero(excerpt.has_loss)) > 1


def overflow_step(excerpt: Excerpt) -> int:
    """The step at which, going backward, a gradient first overflows; 0 if none does."""
    steps = (event.step for event in excerpt.events if event.kind == "overflow" and event.phase == "backward")
    return next(steps, 0)


def not_finite(excerpt: Excerpt) -> str:
    """What of NaN and ∞ the gradients hold: "NaN and ∞", "NaN", "∞", ""."""
    layers, steps = excerpt.layers.values(), slice(excerpt.longest or None)  # NaN in the padding is no gradient
    norms = [norm[steps] for layer in layers for key, norm in layer.norms.items() if key.startswith("grads.")]
    kinds = {event.kind for event in excerpt.events if event.phase == "backward"}
    found = []
    if "nan" in kinds or any(bool(np.isnan(norm).any()) for norm in norms):
        found.append("NaN")
    if "overflow" in kinds or any(bool(np.isinf(norm).any()) for norm in norms):
        found.append("∞")
    return " and ".join(found)


def _error(row: AuditRow) -> float:
    return math.inf if math.isnan(row.error) else row.error


class _Chip(ElidedLabel):
    """A note that should be seen: framed, in the colour of its tone. Hidden while it has nothing to say."""

    def __init__(self, tone: str) -> None:
        super().__init__(tone=tone, pixels=SMALL_PX)
        self._tint = tone
        self.setContentsMargins(GAP, 0, GAP, 0)

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(QPen(QColor(getattr(current(), self._tint)), 1))
        painter.drawRoundedRect(self.rect().adjusted(0, 1, -1, -2), TIGHT, TIGHT)
        painter.end()
        super().paintEvent(event)


class StatusLine(QWidget):
    """Told what to say; texts elide where there is no room, and the tooltip says the rest.

    A new text takes its room at once (`activate`), so that no frame shows it elided without need.
    """

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAccessibleName("Status")
        self.setFixedHeight(HEIGHT)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.audit = ElidedLabel(pixels=SMALL_PX)
        self.device = ElidedLabel(tone="muted", pixels=SMALL_PX, least=KEPT)
        self.note = _Chip("loss")
        self.seconds = ElidedLabel(tone="muted", pixels=SMALL_PX, least=KEPT)
        self.verdict = ElidedLabel(
            pixels=SMALL_PX, least=90, elide=Qt.TextElideMode.ElideMiddle, align=Qt.AlignmentFlag.AlignRight
        )
        self.saved = ElidedLabel(tone="muted", pixels=SMALL_PX, least=KEPT, align=Qt.AlignmentFlag.AlignRight)
        row = self._row = QHBoxLayout(self)
        row.setContentsMargins(PAD, 0, PAD, 0)
        row.setSizeConstraint(QLayout.SizeConstraint.SetNoConstraint)  # what a text keeps goes by the width
        row.setSpacing(PAD + GAP)
        for label in (self.audit, self.device, self.note, self.seconds):
            row.addWidget(label)
        row.addStretch(1)
        row.addWidget(self.verdict)
        row.addWidget(self.saved)
        self.note.hide()
        self._verdict: Verdict | None = None
        self._several, self._overflow, self._not_finite, self._loss = False, 0, "", 0.0
        self._reached, self._at_loss, self._truncated = True, True, False
        self._back_to, self._bad_step = 0, 0
        self._layer = ""
        self._norms: Array = np.zeros(0)
        self._dtype = ""
        self._carried: Verdict | None = None
        self._audit: Audit | None = None
        self._audit_state: AuditState = "checking"
        self.set_audit(None)

    def set_excerpt(self, excerpt: Excerpt) -> None:
        """The trace on screen: device, time, and the verdict with what it rests on. The audit comes on its own."""
        self.set_device(excerpt.device, excerpt.dtype, excerpt.device_note)
        self.set_seconds(excerpt.seconds)
        self._several, self._overflow = several_losses(excerpt), overflow_step(excerpt)
        self._not_finite = not_finite(excerpt)
        self._loss = excerpt.loss if excerpt.loss_kind else 0.0  # of a recorded model it is not known
        backward = (event for event in excerpt.events if event.phase == "backward" and not event.reverse)
        self._bad_step = max((event.step for event in backward if event.kind in ("overflow", "nan")), default=0)
        self._dtype = excerpt.dtype
        read = excerpt.of()
        self._layer = layer_title(read.name) if len(excerpt.layers) > 1 else ""
        # Of several losses the verdict is about the last alone, whose norms are not those on the stage.
        told = not self._several and not read.reverse
        self._norms = read.norms["grads.h"] if told else np.zeros(0)
        cells = read.norms["grads.c"] if told and "grads.c" in read.norms else None
        self._carried = (
            None
            if cells is None
            else verdict_of(cells.astype(np.float64), read.longest or None, smallest_normal(excerpt.dtype))
        )
        self.set_verdict(excerpt.verdict)
        self.set_audit(self._audit, self._audit_state)

    def clear(self, *, computing: bool = False) -> None:
        """Nothing is traced yet: what was said of another trace is not said of this one."""
        for label in (self.audit, self.device, self.seconds):
            label.set_text("", tip="")
        self._audit, self._audit_state = None, "checking"
        self.audit.set_text("… computing" if computing else "○ nothing is traced yet", tone="muted")
        self.note.hide()
        self.set_verdict(None)

    def set_audit(self, audit: Audit | None, state: AuditState | None = None) -> None:
        """Without `state`: None is being checked, an audit is done."""
        self._audit, self._audit_state = audit, state or ("checking" if audit is None else "done")
        not_finite, loss = self._not_finite if self._tells_not_finite else "", self._loss if self._at_loss else 0.0
        text, tone, tip = audit_words(audit, self._audit_state, not_finite, self._truncated, loss)
        self.audit.set_text(text, tone=tone, tip=tip)
        self._say_verdict()  # it has another room

    @property
    def _tells_not_finite(self) -> bool:
        """Whether the tape has come to where the first gradient is not finite."""
        return self._reached or 0 < self._back_to <= self._bad_step

    def set_truncated(self, truncated: bool) -> None:
        """Whether the gradients that are shown are truncated: what was compared with autograd is the whole."""
        if truncated != self._truncated:
            self._truncated = truncated
            self._say_verdict()
            self.set_audit(self._audit, self._audit_state)

    def set_device(self, device: str, dtype: str, note: str = "") -> None:
        """`note`: one sentence where it is not the device that was asked for."""
        name = "recorded" if not device else device.upper() if device == "cpu" else device
        self.device.set_text(f"{name} · {dtype}", tip="Where the trace was computed, and in which arithmetic.")
        self.note.set_text(f"⚠ {note}" if note else "", tip="")
        self.note.setVisible(bool(note))
        self._say_verdict()

    def set_seconds(self, seconds: float) -> None:
        """0: it was not traced here."""
        words = f"trace {duration(seconds)}" if seconds > 0 else ""
        self.seconds.set_text(words, tip="How long this trace took to compute." if words else "")
        self._say_verdict()

    def set_verdict(self, verdict: Verdict | None) -> None:
        self._verdict = verdict
        self._say_verdict()

    def set_reached(self, reached: bool, at_loss: bool = True, back_to: int = 0) -> None:
        """Whether the tape has come to where the verdict can be seen, and to the loss; before that, the line does not
        give them away. `back_to`: the earliest step whose gradient is known; what the rule says there is on the stage
        already, and the line says the same. 0: not told."""
        if (reached, at_loss, back_to) == (self._reached, self._at_loss, self._back_to):
            return
        before = self._reached, self._at_loss, self._tells_not_finite
        self._reached, self._at_loss, self._back_to = reached, at_loss, back_to
        self._say_verdict()
        if before != (reached, at_loss, self._tells_not_finite):
            self.set_audit(self._audit, self._audit_state)

    def _say_verdict(self) -> None:
        text, tone, tip = "", "muted", ""
        if self._verdict is not None and not self._reached:
            first = self._verdict.first_step
            text, tip = NOT_REACHED, f"Vanishing, healthy or exploding: play the tape back to t = {first} to see it."
            if self._several and 0 < self._back_to <= self._verdict.last_step:
                # The curves and their bands are those of all losses together.
                text = f"○ verdict on L{str(self._verdict.loss_step).translate(_SUBSCRIPTS)} alone: at t = {first}"
            if (now := self._so_far(self._verdict)) is not None:
                known = replace(self._about, several_losses=False, carried=None)  # of all losses, and of h alone
                said = [verdict_words(now, known, rate=rate) for rate in (True, False)]
                text = self._with_room([f"{text[:1]} {SO_FAR}{text[2:]}" for text, _, _ in said])
                tone, tip = said[0][1], f"The verdict itself is about t = {first}. {tip}\nSo far: {said[0][2]}"
        elif self._verdict is not None:
            wordings = ((True, True), (False, True), (False, False))[self._carried is not None :]
            said = [verdict_words(self._verdict, self._about, rule=rule, rate=rate) for rule, rate in wordings]
            text, tone, tip = self._with_room([text for text, _, _ in said]), said[0][1], said[0][2]
        self.verdict.set_text(text, tone=tone, tip=tip)
        self._row.activate()

    @property
    def _about(self) -> About:
        return About(self._several, self._overflow, self._truncated, self._carried, self._layer, self._dtype)

    def _with_room(self, texts: list[str]) -> str:
        """The first of the wordings that fits beside the others; the last where none does."""
        row = self._row
        margins, others = row.contentsMargins(), (self.audit, self.device, self.note, self.seconds, self.saved)
        taken = sum(label.sizeHint().width() + row.spacing() for label in others if not label.isHidden())
        room = self.width() - margins.left() - margins.right() - taken - row.spacing() - _SLACK
        # Figures are tabular: as the tape plays, another step's number makes no other wording.
        return next((text for text in texts if self.verdict.width_of(text.translate(_DIGITS)) <= room), texts[-1])

    def _so_far(self, whole: Verdict) -> Verdict | None:
        """By the same rule, of the step that the tape has come back to; None where there is nothing to say yet."""
        t = self._back_to
        if not 0 < t < whole.last_step <= len(self._norms):
            return None
        if t <= whole.subnormal_from < whole.last_step - 1:
            # What is subnormal says no more than the last normal number before it.
            found = so_far(whole, whole.subnormal_from, float(self._norms[whole.subnormal_from]), self._near(whole))
            return replace(found, first_step=whole.subnormal_from + 1)
        far = math.inf if 0 < t <= self._overflow else float(self._norms[t - 1])
        found = so_far(whole, t, far, self._near(whole))
        if found.kind == "undefined":
            return None
        return replace(found, log10_level=level_of(self._norms[t - 1 : whole.last_step].astype(np.float64)))

    def _near(self, whole: Verdict) -> float:
        """The norm that the way back begins with."""
        return float(self._norms[whole.last_step - 1])

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self.verdict.set_least(_VERDICT_KEPT if self.width() >= _ROOMY else 90)
        if event.oldSize().width() != event.size().width():
            self._say_verdict()

    def set_saved(self, text: str, tip: str = "") -> None:
        """ "saved 14:02", "not saved", "edited", or ""."""
        self.saved.set_text(text, tip=tip)
        self.saved.setVisible(bool(text))
        self._say_verdict()

    def sizeHint(self) -> QSize:
        return QSize(900, HEIGHT)

    def minimumSizeHint(self) -> QSize:
        return QSize(200, HEIGHT)
