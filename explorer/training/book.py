"""What a training has left behind: records of its iterations, evaluations, and which iterations are kept. It belongs to
the document (explorer.document.state), and is read here by whoever shows it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QObject, Signal, Slot

from engine.history import Evaluation, Log, baseline_of, best_of
from explorer.document.document import Document
from explorer.document.turns import Turn


class Book(QObject):
    """Looks things up in the document and says when they are others."""

    changed = Signal()
    """Records, evaluations or kept iterations are others: while training runs, some twenty times a second."""

    def __init__(self, document: Document, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._document = document
        self._told: tuple[object, ...] = ()
        self._known: Evaluation | None = None
        document.learned.connect(self._look)
        document.stateChanged.connect(self._look)
        document.opened.connect(self._look)

    @property
    def log(self) -> Log:
        return self._document.state.log

    def iterations(self) -> NDArray[np.int64]:
        """(n,): of every row."""
        return self.log.iterations

    def column(self, name: str) -> NDArray[Any]:
        """(n,): one column of the records: "losses", "grad_norms", "layer_norms.l0". It is put together for it: whoever
        needs the last row alone looks at `log.scalars.chunks`."""
        return self.log.column(name)

    @property
    def layers(self) -> tuple[str, ...]:
        """Whose gradient norms are recorded."""
        return self.log.layers

    @property
    def next(self) -> int:
        """The iteration that training goes on with: so many are done."""
        return self._document.state.furthest

    @property
    def evaluations(self) -> tuple[Evaluation, ...]:
        """Where training has made none yet, what it begins with counts as one: to be seen, not to stop by."""
        known = () if self._known is None else (self._known,)
        return self._document.state.evaluations or known

    def know(self, evaluation: Evaluation | None) -> None:
        """What the newest iteration has been found to be, that was trained before the document was opened."""
        if evaluation != self._known:
            self._known = evaluation
            self.changed.emit()

    @property
    def best(self) -> Evaluation | None:
        """The evaluation with the least loss; None where there is none yet."""
        return best_of(self.evaluations)

    def kept(self) -> NDArray[np.int64]:
        """(n,): the iterations whose state is kept, in order."""
        return np.array(sorted(self._document.state.history), np.int64)

    @property
    def known_from(self) -> int:
        """From here on one can travel to every iteration: of those before it is no longer known what they were trained
        with. 0: to all."""
        return self._document.state.past.known_from

    def turns(self) -> tuple[Turn, ...]:
        """Where training was changed on its way, and what was changed there, in words; in order."""
        return self._document.state.turns

    @property
    def baseline(self) -> float | None:
        """The loss of answers that have learned nothing; None where nobody knows."""
        experiment = self._document.experiment
        return None if experiment is None else baseline_of(self.evaluations, experiment)

    @property
    def persistence(self) -> float | None:
        """Of a series, the loss of repeating the last value; None elsewhere, and as long as nothing has been
        evaluated."""
        return self.evaluations[-1].persistence if self.evaluations else None

    @Slot()
    def _look(self) -> None:
        state = self._document.state
        found = (state.log, state.evaluations, state.history, self.baseline)
        if (
            len(found) != len(self._told)
            or any(a is not b for a, b in zip(found[:3], self._told, strict=False))
            or found[3] != self._told[3]
        ):
            self._told = found
            self.changed.emit()
