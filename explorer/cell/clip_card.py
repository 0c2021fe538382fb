"""What clipping did to the gradients, and what the update did to the weights, parameter by parameter."""

from __future__ import annotations

import math
from dataclasses import replace

from PySide6.QtCore import Slot
from PySide6.QtGui import QColor, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QGridLayout, QLabel, QSizePolicy, QVBoxLayout, QWidget

from engine.requests import ClipReport, ClipRow, Excerpt
from engine.tape import Phase
from explorer.cell.bars import STAYS, BarTable, Columns
from explorer.theme import current as theme
from explorer.theme.tokens import GAP, PAD, RADIUS, TIGHT
from explorer.widgets import numbers
from explorer.widgets.numbers import short

_CLIP_COLUMNS = Columns("before", "after", "backward", "clip")
_GRADIENT_COLUMNS = Columns("gradient", "", "backward", "clip")
_UPDATE_COLUMNS = Columns("weights", "change", "forward", "update")
_FACTS = 5
NOT_CLIPPED = "Nothing is clipped: clipping is off."
NOT_KNOWN = "A recorded trace: whether its gradients were clipped afterwards is not known."
NO_UPDATE = "A recorded trace: its update is not known."


class ClipCard(QWidget):
    """A card for the moments clip and update; hidden at all others."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._phase = Phase.CLIP
        self._excerpt: Excerpt | None = None
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Minimum)
        self._title = QLabel(self)
        self._sentence = QLabel(self)
        self._sentence.setWordWrap(True)
        self._facts = QGridLayout()
        self._facts.setHorizontalSpacing(PAD)
        self._facts.setVerticalSpacing(TIGHT)
        self._facts.setColumnStretch(1, 1)
        self._fact_labels: list[tuple[QLabel, QLabel]] = []
        for row in range(_FACTS):
            name, value = QLabel(self), QLabel(self)
            name.setProperty("role", "muted")
            value.setWordWrap(True)
            self._facts.addWidget(name, row, 0)
            self._facts.addWidget(value, row, 1)
            self._fact_labels.append((name, value))
        self._clip_table = BarTable(_CLIP_COLUMNS, self)
        self._update_table = BarTable(_UPDATE_COLUMNS, self)
        column = QVBoxLayout(self)
        column.setContentsMargins(PAD, PAD, PAD, PAD)
        column.setSpacing(GAP)
        for widget in (self._title, self._sentence):
            column.addWidget(widget)
        column.addLayout(self._facts)
        column.addWidget(self._clip_table)
        column.addWidget(self._update_table)
        theme.notifier().changed.connect(self._restyle)
        self._restyle()

    def set_excerpt(self, excerpt: Excerpt | None) -> None:
        self._excerpt = excerpt
        if excerpt is None:
            for table in (self._clip_table, self._update_table):
                table.forget_scale()
        self._fill()

    def set_phase(self, phase: Phase) -> None:
        """Phase.CLIP or Phase.UPDATE."""
        if phase is not self._phase:
            self._phase = phase
            self._fill()

    def facts(self) -> list[tuple[str, str]]:
        """What stands in the card beside its sentence: name and value."""
        excerpt = self._excerpt
        if excerpt is None or self._phase is not Phase.CLIP or excerpt.clip is None:
            return []
        clip = excerpt.clip
        if clip.kind == "none":
            return [("global norm", short(clip.norm))]
        limit = _limit(clip)
        if not clip.fired:
            return [("global norm", short(clip.norm)), *limit]
        found = [("global norm", f"{short(clip.norm)} → {short(norm_after(clip))}")]
        if clip.kind == "norm":
            if math.isfinite(clip.norm) and not math.isfinite(clip.norm_in_dtype):
                found.append((f"in {excerpt.dtype}", f"{short(clip.norm_in_dtype)}: it overflowed"))
            found.append(("times", f"{short(clip.factor)}  (limit {numbers.exact(clip.max_norm)})"))
        else:
            found += [*limit, ("clipped", f"{clip.clipped:,} of {_counted(clip)}")]
        found.append(("cosine", "undefined" if math.isnan(clip.cosine) else _cosine(clip.cosine)))
        if not clip.is_gradient:
            found.append(("comes out", "no gradient of the loss"))
        return found

    @property
    def title(self) -> str:
        return self._title.text()

    @property
    def sentence(self) -> str:
        return self._sentence.text()

    def as_text(self) -> str:
        table = self._clip_table if self._phase is Phase.CLIP else self._update_table
        rows, columns = table.rows, table.columns
        lines = [self.title, self.sentence, *(f"{name}\t{value}" for name, value in self.facts())]
        if rows:
            lines.append("\t".join(name for name in ("parameter", columns.first, columns.second) if name))
        for r in rows:
            known = (r.before, r.after) if columns.second else (r.before,)
            lines.append("\t".join([r.parameter, *map(numbers.exact, known)]))
        return "\n".join(lines)

    def _fill(self) -> None:
        excerpt = self._excerpt
        if excerpt is None:
            return
        clip, at_clip = excerpt.clip, self._phase is Phase.CLIP
        if at_clip:
            self._title.setText("CLIP" if clip is None or not clip.fired else "CLIP · FIRED")
            if clip is None:
                self._sentence.setText(NOT_KNOWN)
            else:
                self._sentence.setText(clip.sentence or NOT_CLIPPED)
        else:
            self._title.setText("UPDATE")
            known = "SGD moves each weight against its gradient. Norms of the weights, and of their change."
            if stays := too_small(excerpt):
                known += f" {STAYS}: the step is too small for {excerpt.dtype}, no weight moves."
            self._sentence.setText(known if excerpt.update_rows else NO_UPDATE)
            self._update_table.set_rows(excerpt.update_rows, stays)
        clipping = clip is not None and clip.fired
        self._clip_table.set_columns(_CLIP_COLUMNS if clipping else _GRADIENT_COLUMNS)
        self._clip_table.set_rows(rows_of(clip) if clip is not None and at_clip else ())
        if at_clip:
            self._update_table.set_rows(())
        facts = self.facts()
        for index, (name, value) in enumerate(self._fact_labels):
            shown = index < len(facts)
            name.setVisible(shown)
            value.setVisible(shown)
            if shown:
                name.setText(facts[index][0])
                value.setText(facts[index][1])
        for table in (self._clip_table, self._update_table):
            table.setVisible(bool(table.rows))
        self._restyle()

    @property
    def _colour(self) -> str:
        t = theme.current()
        return t.clip if self._phase is Phase.CLIP else t.update

    @Slot()
    def _restyle(self) -> None:
        self._title.setFont(theme.small(bold=True))
        self._title.setStyleSheet(f"color: {self._colour}; letter-spacing: 1px; font-weight: 600;")
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(QPen(QColor(self._colour), 1.4))
        painter.setBrush(QColor(theme.current().surface))
        painter.drawRoundedRect(self.rect().adjusted(1, 1, -1, -1), RADIUS + 2, RADIUS + 2)
        painter.end()


_PIECES = {
    "value": "entries",
    "layer": "layers",
    "parameter": "parameters",
    "agc": "rows and vectors",
    "step": "samples and steps",
}
_EACH = {"layer": "each layer", "parameter": "each parameter", "step": "each sample at each step"}


def _limit(clip: ClipReport) -> list[tuple[str, str]]:
    """By value and by AGC the limit is no norm of the gradient; the sentence says it."""
    if clip.kind in ("value", "agc"):
        return []
    each = f", {_EACH[clip.kind]}" if clip.kind in _EACH else ""
    return [("limit", f"{numbers.exact(clip.max_norm)}{each}")]


def _counted(clip: ClipReport) -> str:
    noun = _PIECES.get(clip.kind, "")
    return f"{clip.units:,} {_SINGULAR.get(noun, noun) if clip.units == 1 else noun}"


_SINGULAR = {"entries": "entry", "layers": "layer", "parameters": "parameter"}


def rows_of(clip: ClipReport) -> tuple[ClipRow, ...]:
    """What the table shows: where each layer was clipped by itself, they come first, with the factor of each."""
    layers = (replace(row, parameter=f"{row.parameter}, × {short(row.factor)}") for row in clip.layers if clip.fired)
    return (*layers, *clip.rows)


def too_small(excerpt: Excerpt) -> frozenset[str]:
    """The parameters that the update leaves where they are although they have a gradient."""
    gradients = {} if excerpt.clip is None else {row.parameter: row.after for row in excerpt.clip.rows}
    return frozenset(
        row.parameter
        for row in excerpt.update_rows
        if row.after == 0 and math.isfinite(row.before) and gradients.get(row.parameter, 0.0) > 0
    )


def norm_after(clip: ClipReport) -> float:
    """The global norm after clipping, from the rows (what really came out), else the norm times the factor."""
    if not clip.rows:
        return clip.norm * clip.factor
    largest = max(row.after for row in clip.rows)
    if any(math.isnan(row.after) for row in clip.rows):
        return math.nan
    if largest == 0 or math.isinf(largest):
        return largest
    return largest * math.sqrt(sum((row.after / largest) ** 2 for row in clip.rows))


def _cosine(cosine: float) -> str:
    return "1: the direction is kept" if abs(cosine - 1) < 1e-6 else short(cosine)
