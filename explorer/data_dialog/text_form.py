"""A text: predict the next character or word."""

from __future__ import annotations

from bisect import bisect_left

from PySide6.QtWidgets import QWidget

from engine.data.preview import TextPreview
from engine.data.text import TextChoices
from engine.data.window_counts import USUAL_STEPS
from engine.data.windows import stretch
from engine.spec import TextTask
from engine.task_checks import MAX_SYMBOLS
from explorer.data_dialog.form import NO_DATA, NOWHERE, Form, task_problem, wrong
from explorer.data_dialog.words import PARTS, parts_words
from explorer.dock.fields import NumberField, Segments, by
from explorer.dock.problems import Problem
from explorer.dock.words import ORDERS

USUAL_WORDS = 2000


class TextForm(Form):
    def __init__(self, steps: int, batch_size: int, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._preview: TextPreview | None = None
        self._wanted_steps = steps
        self._steps_given = False
        self.values = {
            "level": "character", "symbols": None, "steps": steps, "order": "shuffled", "train_share": 0.7,
            "validation_share": 0.15, "batch_size": batch_size,
        }  # fmt: skip
        levels = Segments("Level", [("character", "characters"), ("word", "words")])
        self.most = NumberField("Different symbols at most", whole=True, empty="all", step=by(10, 2))
        self.add(
            self.row("level", "predict", levels, "The next character, or the next word, sign or line end"),
            self.row("symbols", "symbols at most", self.most, "The most frequent ones; one stands for all others"),
            self.pair(
                self.row("steps", "T", NumberField("Time steps T", whole=True, step=by(1, 1)), "Symbols in a window"),
                self.batch_row(),
            ),
            self.row(
                "order",
                "order",
                Segments("Order of the windows", ORDERS),
                "Windows at random places, or each goes on where the one of the batch before ended",
            ),
            self.split_rows(),
        )

    def set_preview(self, preview: TextPreview) -> None:
        self._preview = preview
        if not self._steps_given:
            tried = [self._wanted_steps, *(steps for steps in USUAL_STEPS if steps < self._wanted_steps)]
            self.values["steps"] = next((steps for steps in tried if not self._too_short(steps)), self._wanted_steps)
        self.refresh()

    def _take(self, name: str, value: object) -> None:
        self._steps_given |= name == "steps"
        super()._take(name, value)

    def refresh(self) -> None:
        self.most.set_empty(f"{USUAL_WORDS:,}" if self.values["level"] == "word" else "all")
        super().refresh()

    def choices(self) -> TextChoices:
        v = self.values
        return TextChoices(
            level=v["level"],
            most_symbols=v["symbols"],
            steps=v["steps"],
            split=self.split,
            order=v["order"],
            batch_size=v["batch_size"],
        )

    def problem(self) -> Problem | None:
        v = self.values
        task = TextTask(
            data=NO_DATA,
            symbols=self._symbols(),
            steps=v["steps"],
            split=self.split,
            order=v["order"],
            batch_size=v["batch_size"],
        )
        if (found := task_problem(task)) is not None:
            return found
        if (there := self._learned()) < 2:
            return wrong(
                NOWHERE,
                f"The training part holds {there:,} different {v['level']}{'s' * (there != 1)}; two or more are needed "
                "to predict one from another.",
            )
        return wrong("steps", self._too_short(v["steps"]))

    def _too_short(self, steps: int) -> str:
        """Which part has no room for so many steps, in a sentence; "" for none."""
        v = self.values
        for part, word in PARTS:
            first, behind = stretch(self._length(), self.split, part)
            stream = part == "train" and v["order"] == "stream"
            need = steps * (v["batch_size"] if stream else 1) + 1
            if behind - first < need and (part == "train" or behind > first):
                have = f"The {word} part has {behind - first:,} {v['level']}s, and {need:,} are needed"
                return f"{have}; take fewer steps, or make this part larger."
        return ""

    def summary(self) -> str:
        level, symbols, there = self.values["level"], self._symbols(), self._learned()
        which = f"the {there:,} different ones of the training part"
        if symbols <= there:
            which = f"the {symbols - 1:,} most frequent of the {there:,} different ones of the training part"
        head = f"Predicts the next {level} out of {symbols:,}: {which}, and one for all others"
        pieces = f"Pieces of {self.values['steps']:,} {level}s, {self.values['batch_size']:,} a batch"
        return f"{head}\n{pieces}\n{parts_words(self._length(), self.split, f'{level}s')}"

    def _length(self) -> int:
        assert self._preview is not None
        return self._preview.characters if self.values["level"] == "character" else self._preview.words

    def _symbols(self) -> int:
        """As many as the task will have: those of the training part, and one for all others."""
        v = self.values
        most = v["symbols"] if v["symbols"] is not None else MAX_SYMBOLS if v["level"] == "character" else USUAL_WORDS
        return min(self._learned() + 1, most)

    def _learned(self) -> int:
        """Different ones in the training part."""
        p = self._preview
        assert p is not None
        firsts = p.first_characters if self.values["level"] == "character" else p.first_words
        return bisect_left(firsts, stretch(self._length(), self.split, "train")[1])
