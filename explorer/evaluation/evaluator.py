"""Asks the engine to judge what is on the stage: when somebody wants it, and by itself when the stage has come to rest.

One question at most is under way or waits. The picture comes first, and so does training: what is judged of a trace
that is left is dropped, and ended if it takes long. Until the new answer is there, the old one stays and says of which
iteration it is.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from PySide6.QtCore import QObject, QTimer, Signal, Slot

from engine.requests import Computed
from engine.spec import Experiment
from engine.training_requests import Judged
from explorer.compute.courier import Courier
from explorer.evaluation.answers import Answers, answers_of
from explorer.evaluation.extent import Extent, judge_of

CHANNEL = "evaluation"
_QUIET_MS = 250
_PATIENCE_MS = 400
_PACE_MS = 200
"""Of what training has judged by itself: it is drawn a few times a second at most."""

Kind = Literal["nothing", "waiting", "resting", "computing", "there", "stopped", "failed"]


@dataclass(frozen=True)
class Subject:
    """What is on the stage."""

    trace: int
    source: Computed


@dataclass(frozen=True)
class Standing:
    kind: Kind
    sentence: str = ""
    stale: bool = False
    """What is shown is of another iteration, or of something else than what is chosen."""


_Key = tuple[int, Extent]


class Evaluator(QObject):
    resultChanged = Signal(object)
    """Answers; None: there are none of this document yet."""
    standingChanged = Signal(object)
    """Standing"""

    def __init__(self, courier: Courier, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._courier = courier
        self._subject: Subject | None = None
        self._extent = Extent()
        self._open = self._renewing = self._training = False
        self._automatic = True
        self._shown: _Key | None = None
        self._asked: tuple[int, _Key, Subject] | None = None
        """Generation, what it is about, and of what."""
        self._by_hand = False
        self._refused: tuple[_Key, Kind, str] | None = None
        """What has failed or was stopped, and is not tried again by itself."""
        self._told: Standing | None = None
        self._taken: Answers | None = None
        self._quiet = self._timer(_QUIET_MS, self._begin)
        self._patience = self._timer(_PATIENCE_MS, self._end)
        self._pace = self._timer(_PACE_MS, self._show_taken)
        courier.answered.connect(self._answered)
        courier.failed.connect(self._failed)
        courier.cancelled.connect(self._cancelled)

    def _timer(self, milliseconds: int, slot: object) -> QTimer:
        made = QTimer(self)
        made.setSingleShot(True)
        made.setInterval(milliseconds)
        made.timeout.connect(slot)
        return made

    # -- told ---------------------------------------------------------------------------------------------------------

    def set_subject(self, subject: Subject | None) -> None:
        """What is on the stage; None: nothing that can be judged."""
        self._renewing = False
        if subject is None:
            self._drop()
            self._subject = None
        else:
            other = self._subject is None or self._subject.trace != subject.trace
            self._subject = subject
            if other and not self._by_hand:
                self._drop()
            self._soon()
        self._tell()

    def forget(self) -> None:
        """Another document."""
        self._drop()
        self._subject = self._shown = self._refused = self._taken = None
        self._pace.stop()
        self.resultChanged.emit(None)
        self._tell()

    def set_extent(self, extent: Extent) -> None:
        """Somebody has chosen another part: that is a wish to see it."""
        if extent != self._extent:
            self._extent = extent
            self._drop()
            if self._open and self._subject is not None and not self._training:
                self._begin()
            self._tell()

    def set_open(self, is_open: bool) -> None:
        """Whether somebody sees it."""
        self._open = is_open
        self._soon()
        self._tell()

    def set_automatic(self, automatic: bool) -> None:
        self._automatic = automatic
        self._soon()
        self._tell()

    def set_training(self, training: bool) -> None:
        """While training runs nothing is judged by itself but what training itself judges."""
        self._training = training
        if training:
            self._by_hand = False
            self._drop()
        else:
            self._soon()
        self._tell()

    def renew(self) -> None:
        """Another trace is wanted."""
        if not self._renewing:
            self._renewing = True
            if not self._by_hand:
                self._drop()
            self._tell()

    def stay(self) -> None:
        """There is no other trace after all."""
        self._renewing = False
        self._soon()
        self._tell()

    def take(self, judged: Judged, iteration: int, experiment: Experiment) -> None:
        """What training has judged on its way: the validation part, as much of it as usual."""
        if self._open and Extent() == self._extent:
            self._taken = answers_of(judged, iteration, experiment)
            if not self._pace.isActive():
                self._show_taken()

    @Slot()
    def judge(self) -> None:
        """Now, whatever runs."""
        self._refused = None
        key = self._key
        if key is not None and (self._asked is None or self._asked[1] != key):
            self._ask(by_hand=True)
        self._tell()

    @Slot()
    def cancel(self) -> None:
        if self._asked is not None:
            self._refused = (self._asked[1], "stopped", "")
            self._courier.cancel(CHANNEL)
            self._asked = None
            self._by_hand = False
            self._tell()

    @property
    def settled(self) -> bool:
        return self._asked is None and not self._quiet.isActive() and not self._renewing

    # -- asking -------------------------------------------------------------------------------------------------------

    @property
    def _key(self) -> _Key | None:
        return None if self._subject is None else (self._subject.trace, self._extent)

    def _wants(self) -> bool:
        key = self._key
        return (
            self._open
            and self._automatic
            and not self._training
            and not self._renewing
            and key is not None
            and key != self._shown
            and (self._refused is None or self._refused[0] != key)
        )

    def _soon(self) -> None:
        if self._wants() and (self._asked is None or self._asked[1] != self._key):
            self._quiet.start()

    @Slot()
    def _begin(self) -> None:
        if self._wants() and (self._asked is None or self._asked[1] != self._key):
            self._ask(by_hand=False)
        self._tell()

    def _ask(self, *, by_hand: bool) -> None:
        subject, key = self._subject, self._key
        assert subject is not None
        assert key is not None
        self._quiet.stop()
        self._patience.stop()
        self._by_hand = by_hand
        generation = self._courier.ask(CHANNEL, "judge", judge_of(subject.source, self._extent))
        self._asked = (generation, key, subject)

    def _drop(self) -> None:
        self._quiet.stop()
        if self._asked is not None:
            self._asked = None
            self._by_hand = False
            self._courier.drop(CHANNEL)
            self._patience.start()

    @Slot()
    def _end(self) -> None:
        """End what was dropped and is computed all the same."""
        if self._asked is None:
            self._courier.cancel(CHANNEL)

    # -- answers ------------------------------------------------------------------------------------------------------

    @Slot(str, int, object)
    def _answered(self, channel: str, generation: int, answer: object) -> None:
        if channel != CHANNEL or self._asked is None or self._asked[0] != generation:
            return
        assert isinstance(answer, Judged)
        _, key, subject = self._asked
        self._asked, self._by_hand = None, False
        self._shown, self._taken = key, None
        self._refused = None
        self.resultChanged.emit(answers_of(answer, subject.source.iteration, subject.source.experiment))
        self._soon()
        self._tell()

    @Slot()
    def _show_taken(self) -> None:
        if self._taken is not None and self._open:
            self._shown = None
            self.resultChanged.emit(self._taken)
            self._taken = None
            self._pace.start()
            self._tell()

    @Slot(str, int, str)
    def _failed(self, channel: str, generation: int, sentence: str) -> None:
        if channel == CHANNEL and self._asked is not None and self._asked[0] == generation:
            self._refused = (self._asked[1], "failed", sentence)
            self._asked, self._by_hand = None, False
            self._tell()

    @Slot(str, int)
    def _cancelled(self, channel: str, generation: int) -> None:
        if channel == CHANNEL and self._asked is not None and self._asked[0] == generation:
            self._refused = (self._asked[1], "stopped", "")
            self._asked, self._by_hand = None, False
            self._tell()

    # -- telling ------------------------------------------------------------------------------------------------------

    @property
    def standing(self) -> Standing:
        key = self._key
        stale = self._shown != key
        if self._asked is not None:
            return Standing("computing", stale=stale)
        if key is None:
            return Standing("nothing", stale=stale)
        if self._shown == key and not self._renewing:
            return Standing("there")
        if self._refused is not None and self._refused[0] == key:
            return Standing(self._refused[1], self._refused[2], stale)
        if self._training:
            return Standing("resting", stale=stale)
        return Standing("waiting", stale=stale)

    def _tell(self) -> None:
        standing = self.standing
        if standing != self._told:
            self._told = standing
            self.standingChanged.emit(standing)
