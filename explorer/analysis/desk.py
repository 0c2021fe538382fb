"""Between the analysis panel and the engine: computes what is open, of the trace on screen, when nothing else waits.

The picture comes first. Each question is short and has the least urgency; when another trace is wanted, everything
about the old one is dropped, and what cannot be left soon is ended. Until the new numbers are there the old ones stay,
and say that they are of the trace before.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from PySide6.QtCore import QObject, QTimer, Signal, Slot

from engine.analysis_requests import Part
from explorer.analysis.chains import Chain, Choice, SpectrumChoice, chain_of, heavy_words, is_heavy
from explorer.analysis.subject import Subject
from explorer.compute.courier import Courier

CHANNEL = "analysis."
_QUIET_MS = 150
"""A slider that is being dragged asks for traces, not for analyses."""
_PATIENCE_MS = 400
"""What is not done after that gives way to the new trace: its process is ended. That costs a new one a moment to start
too, so it is worth it only for what cannot be split."""
_HOLD = 0.4
"""Seconds for which an old picture stays rather than to show the new one in parts."""

Kind = Literal["closed", "waiting", "resting", "computing", "there", "stopped", "failed", "heavy"]


@dataclass(frozen=True)
class Standing:
    """How far a section is."""

    kind: Kind
    progress: float | None = None
    sentence: str = ""
    """Of a failure, and of what is begun on command."""
    stale: bool = False
    """What is shown is of a trace that is no longer on screen."""


@dataclass(eq=False)
class _Work:
    """A section's chain and what it belongs to."""

    name: str
    choice: Choice
    trace: int = -1
    sample: int = -1
    chain: Chain | None = None
    generation: int = -1
    began: float = 0.0
    kind: Kind = "waiting"
    sentence: str = ""
    shown: tuple[int, Choice, int] | None = None
    """Trace, choice and sample of the result on screen."""
    wanted: bool = False
    """Somebody has asked for what takes minutes."""


class Desk(QObject):
    resultChanged = Signal(str, object)
    """A section's name, and its result as far as it is known."""
    standingChanged = Signal(str, object)
    """A section's name, and its Standing."""

    def __init__(self, courier: Courier, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._courier = courier
        self._subject: Subject | None = None
        self._work: dict[str, _Work] = {}
        self._closed: dict[str, _Work] = {}
        """What sections had when they were closed."""
        self._renewing = self._resting = False
        self._left: set[str] = set()
        self._told: dict[str, Standing] = {}
        self._quiet = QTimer(self)
        self._quiet.setSingleShot(True)
        self._quiet.setInterval(_QUIET_MS)
        self._quiet.timeout.connect(self._begin)
        self._patience = QTimer(self)
        self._patience.setSingleShot(True)
        self._patience.setInterval(_PATIENCE_MS)
        self._patience.timeout.connect(self._end)
        courier.answered.connect(self._answered)
        courier.failed.connect(self._failed)
        courier.cancelled.connect(self._cancelled)

    # -- told ---------------------------------------------------------------------------------------------------------

    def set_subject(self, subject: Subject | None) -> None:
        """The trace on screen; None: another document is on its way."""
        self._subject = subject
        self._renewing = subject is None
        if subject is None:
            self._leave()
            for work in (*self._work.values(), *self._closed.values()):
                work.shown = None
                self.resultChanged.emit(work.name, None)
            self._closed.clear()
        else:
            for work in self._work.values():
                if not self._current(work):
                    self._drop(work)
                    work.wanted = False
            self._start_soon()
        self._tell()

    def set_resting(self, resting: bool) -> None:
        """While training runs the trace on screen is another one every moment: none is analysed until it rests."""
        if resting != self._resting:
            self._resting = resting
            if resting:
                self._leave()
            elif self._subject is not None and not self._renewing:
                self._quiet.start()
            self._tell()

    def _start_soon(self) -> None:
        if not self._resting:
            self._quiet.start()

    def renew(self) -> None:
        """Another trace is wanted: nothing of this one is computed any more."""
        if not self._renewing:
            self._renewing = True
            self._leave()
            self._tell()

    def stay(self) -> None:
        """There is no other trace after all."""
        if self._renewing and self._subject is not None:
            self._renewing = False
            self._start_soon()
            self._tell()

    def set_questions(self, questions: Mapping[str, Choice]) -> None:
        """What is open, and what is chosen there. What is not among them is not computed."""
        for name in list(self._work):
            if name not in questions:
                work = self._closed[name] = self._work.pop(name)
                if work.kind != "there":
                    self._drop(work)
                self._told.pop(name, None)
        for name, choice in questions.items():
            if name not in self._work:
                self._work[name] = self._closed.pop(name, _Work(name, choice))
            work = self._work[name]
            if work.choice != choice:
                self._drop(work)
                work.choice, work.wanted = choice, False
        if self._quiet.isActive():
            self._tell()
        else:
            self._begin()

    def cancel(self, name: str) -> None:
        """Stop a section's computation; what is there stays."""
        work = self._work.get(name)
        if work is not None and work.kind == "computing":
            self._leave_one(work)
            work.kind = "stopped"
            self._tell()

    def again(self, name: str) -> None:
        """Go on after a stop, a failure, or where it was too long to begin by itself."""
        work = self._work.get(name)
        if work is None:
            return
        work.wanted = True
        if work.kind == "failed":
            work.chain = None
        work.kind = "waiting"
        self._begin()

    @property
    def settled(self) -> bool:
        """Nothing is under way, and nothing will be by itself."""
        if self._renewing or self._quiet.isActive():
            return False
        return all(work.kind not in ("waiting", "computing") for work in self._work.values())

    # -- asking -------------------------------------------------------------------------------------------------------

    @Slot()
    def _begin(self) -> None:
        if self._subject is None or self._renewing or self._resting:
            self._tell()
            return
        for work in self._work.values():
            if not self._current(work):
                self._drop(work)
                work.trace, work.sample = self._subject.trace, self._subject.sample
                work.chain = None
                work.kind = "waiting"
            if work.kind == "waiting":
                if is_heavy(self._subject, work.choice) and not work.wanted:
                    work.kind, work.sentence = "heavy", heavy_words(self._subject, work.choice)
                else:
                    if work.chain is None:
                        work.chain = chain_of(self._subject, work.choice)
                    work.kind, work.began = "computing", time.perf_counter()
                    self._ask(work)
        self._tell()

    def _ask(self, work: _Work) -> bool:
        """The chain's next question. True: there is none left."""
        assert work.chain is not None
        request = work.chain.request()
        if request is None:
            work.kind = "there"
            return True
        work.generation = self._courier.ask(CHANNEL + work.name, "analysis", request)
        return False

    def _current(self, work: _Work) -> bool:
        """Whether a section's chain is about the trace on screen."""
        s = self._subject
        if s is None or work.trace != s.trace:
            return False
        return not isinstance(work.choice, SpectrumChoice) or work.sample == s.sample

    def _drop(self, work: _Work) -> None:
        if work.kind == "computing":
            self._leave_one(work)
        work.chain, work.generation, work.trace, work.kind = None, -1, -1, "waiting"

    def _leave(self) -> None:
        """Drop what is under way; what is whole stays so."""
        self._quiet.stop()
        for work in self._work.values():
            if work.kind == "computing":
                self._drop(work)

    def _leave_one(self, work: _Work) -> None:
        """A short piece comes to its end; a long one is given a moment."""
        self._courier.drop(CHANNEL + work.name)
        self._left.add(work.name)
        self._patience.start()

    @Slot()
    def _end(self) -> None:
        """End what was dropped and is computed all the same."""
        for name in self._left:
            work = self._work.get(name)
            if work is None or work.kind != "computing":
                self._courier.cancel(CHANNEL + name)
        self._left.clear()

    # -- answers ------------------------------------------------------------------------------------------------------

    def _asked(self, channel: str, generation: int) -> _Work | None:
        if not channel.startswith(CHANNEL):
            return None
        work = self._work.get(channel.removeprefix(CHANNEL))
        return work if work is not None and work.chain is not None and work.generation == generation else None

    @Slot(str, int, object)
    def _answered(self, channel: str, generation: int, answer: object) -> None:
        work = self._asked(channel, generation)
        if work is None or work.kind != "computing" or self._renewing:
            return
        assert work.chain is not None
        assert isinstance(answer, Part)
        work.chain.take(answer)
        whole = self._ask(work)
        held = work.shown is not None and work.shown != self._key(work) and time.perf_counter() - work.began < _HOLD
        result = work.chain.result
        if result is not None and (whole or not held):
            work.shown = self._key(work)
            self.resultChanged.emit(work.name, result)
        self._tell()

    def _key(self, work: _Work) -> tuple[int, Choice, int]:
        return work.trace, work.choice, work.sample

    @Slot(str, int, str)
    def _failed(self, channel: str, generation: int, sentence: str) -> None:
        work = self._asked(channel, generation)
        if work is not None:
            work.kind, work.sentence = "failed", sentence
            self._tell()

    @Slot(str, int)
    def _cancelled(self, channel: str, generation: int) -> None:
        work = self._asked(channel, generation)
        if work is not None and work.kind == "computing":
            work.kind = "stopped"
            self._tell()

    # -- telling ------------------------------------------------------------------------------------------------------

    def standing(self, name: str) -> Standing:
        work = self._work.get(name)
        if work is None:
            return Standing("closed")
        progress = work.chain.progress if work.chain is not None else None
        stale = work.shown is not None and (self._renewing or not self._shows(work))
        sentence = work.sentence if work.kind in ("failed", "heavy") else ""
        if self._resting and work.kind == "waiting":
            return Standing("resting", stale=stale)
        return Standing(work.kind, progress if work.kind in ("computing", "stopped") else None, sentence, stale)

    def _shows(self, work: _Work) -> bool:
        """Whether what is shown is about the trace on screen and what was chosen."""
        if work.shown is None or self._subject is None:
            return False
        trace, choice, sample = work.shown
        of_sample = not isinstance(choice, SpectrumChoice) or sample == self._subject.sample
        return trace == self._subject.trace and choice == work.choice and of_sample

    def _tell(self) -> None:
        for name in self._work:
            standing = self.standing(name)
            if self._told.get(name) != standing:
                self._told[name] = standing
                self.standingChanged.emit(name, standing)
