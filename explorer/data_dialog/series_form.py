"""A series: which columns are read, which one is forecast, and in windows of which length."""

from __future__ import annotations

from PySide6.QtWidgets import QWidget

from engine.data.array_columns import series_columns
from engine.data.preview import ArraysPreview, Column, TablePreview
from engine.data.series import SeriesChoices
from engine.data.usual import is_read, nothing_to_forecast, usual_order, usual_series
from engine.data.window_counts import Treated, Windows, parts_in_words
from engine.data.windows import unpacked
from engine.spec import SeriesTask
from explorer.data_dialog.column_list import ColumnList, Offered
from explorer.data_dialog.form import NO_DATA, NOWHERE, Form, task_problem, wrong
from explorer.data_dialog.words import column_tip, kind_words, missing_words, short
from explorer.dock.fields import ChoiceField, NumberField, by
from explorer.dock.flag import Flag
from explorer.dock.problems import Problem
from explorer.dock.words import SCALINGS
from explorer.widgets.elided import ElidedLabel

_MISSING = [
    ("refuse", "choose…"),
    ("interpolate", "a straight line"),
    ("last", "the last value"),
    ("leave_out", "leave the rows out"),
]
_NO_TIME = ""


class SeriesForm(Form):
    """`every`: the model gives an answer at every step, so that more rows belong to one part."""

    def __init__(self, steps: int, batch_size: int, every: bool = False, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._columns: dict[str, Column] = {}
        self._preview: TablePreview | ArraysPreview | None = None
        self._rows, self._every = 0, every
        self._windows = Windows({}, 0, every)
        self._name = ""
        self._wanted_steps = steps
        self._steps_given = False
        self.values = {
            "time": _NO_TIME, "turned": False, "break_at_jumps": True, "missing": "refuse", "target": None,
            "steps": steps, "ahead": 1, "stride": 1,
            "train_share": 0.7, "validation_share": 0.15, "scaling": "standard", "batch_size": batch_size,
        }  # fmt: skip
        self.list = ColumnList("Columns that are read")
        self.list.tickedChanged.connect(self._ticked)
        whole = by(1, 1)
        self.add(
            ElidedLabel("columns that are read", tone="muted"),
            self.list,
            self.row("target", "forecast", ChoiceField("Column that is forecast", ()), "The target"),
            self.row(
                "time",
                "time",
                ChoiceField("Column of the time", ()),
                "It has to rise from row to row, or to fall where the rows are turned round",
            ),
            self.row(
                "turned",
                "",
                Flag("Turn the rows round: oldest first", "turn the rows round: oldest first"),
                "The file begins with the newest row; read from the last one upwards, it goes on in time",
            ),
            self.row(
                "break_at_jumps",
                "",
                Flag("No window over a jump in time", "no window over a jump"),
                "A jump is a step in time of more than 1.5 usual ones. Windows end at rare ones, which are gaps, and "
                "go over frequent ones, as weekends are to prices",
            ),
            self.row(
                "missing",
                "where one is missing",
                ChoiceField("Where a number is missing", _MISSING),
                "A straight line between its neighbours, the last value that was known, or no window over such a row",
            ),
            self.pair(
                self.row("steps", "T", NumberField("Time steps T", whole=True, step=whole), "Rows in a window"),
                self.row("ahead", "ahead", NumberField("Steps ahead", whole=True, step=whole), "Of the target"),
            ),
            self.pair(
                self.row(
                    "stride",
                    "stride",
                    NumberField("Stride", whole=True, step=whole),
                    "Rows from the start of one window to that of the next",
                ),
                self.batch_row(),
            ),
            self.split_rows(),
            self.row(
                "scaling", "scaling", ChoiceField("Scaling", SCALINGS), "Of each column, fitted on the training part"
            ),
        )

    # -- data down ----------------------------------------------------------------------------------------------------

    def set_preview(self, preview: TablePreview | ArraysPreview) -> None:
        """What was chosen stays where the columns are the same."""
        self._preview = preview
        offered, usable, times = self._offered(preview)
        new = tuple(offered) != self.list.offered()
        self.list.set_offered(offered)
        self._windows, self._name = Windows(self._columns, self._rows, self._every), preview.name
        target, time = self.rows["target"].field, self.rows["time"].field
        assert isinstance(target, ChoiceField)
        assert isinstance(time, ChoiceField)
        target.set_choices([(name, short(name)) for name in usable])
        time.set_choices([(_NO_TIME, "rows are one step apart"), *((name, short(name)) for name in times)])
        self.rows["time"].setVisible(bool(times))
        if new:
            usual = usual_series(preview, steps=self._wanted_steps, every=self._every)
            self.values |= {"time": usual.time or _NO_TIME, "target": usual.target, "missing": "refuse"}
            self.list.set_ticked(usual.columns)
            self._order_as_usual()
        if not self._steps_given:
            self.values["steps"] = self._wanted_steps
            self.values["steps"] = self._windows.fitting(self._task(), self._treated())
        self.refresh()

    def _order_as_usual(self) -> None:
        if self._preview is not None:
            order = usual_order(self._preview, self.values["time"] or None)
            self.values |= {"turned": order.turned, "break_at_jumps": order.break_at_jumps}

    def _take(self, name: str, value: object) -> None:
        self._steps_given |= name == "steps"
        self.values[name] = value
        if name == "time":
            self._order_as_usual()
        super()._take(name, value)

    def _offered(self, preview: TablePreview | ArraysPreview) -> tuple[list[Offered], list[str], list[str]]:
        """All columns, those of numbers, and those that may be the time."""
        if isinstance(preview, ArraysPreview):
            self._rows, found = series_columns(preview)
            self._columns = {column.name: column for column in found}
            says = [f"{column.missing:,} missing" if column.missing else "" for column in found]
            offered = [Offered(column.name, said) for column, said in zip(found, says, strict=True)]
            return offered, list(self._columns), []
        self._columns, self._rows = {column.name: column for column in preview.columns}, preview.rows
        fit = [column for column in preview.columns if not column.problem]
        usable = [column.name for column in fit if is_read(column)]
        times = [c.name for c in fit if not c.missing and (c.kind == "date" or (c.rising or c.falling))]
        offered = [Offered(c.name, kind_words(c), column_tip(c), c.name in usable) for c in preview.columns]
        return offered, usable, times

    def refresh(self) -> None:
        time = self._columns.get(self.values["time"])
        self.rows["break_at_jumps"].setVisible(time is not None and bool(time.jumps))
        self.rows["missing"].setVisible(bool(self._absent()))
        self.rows["turned"].setVisible(self.values["turned"] or self._may_be_turned())
        super().refresh()

    # -- for the dialog -----------------------------------------------------------------------------------------------

    def choices(self) -> SeriesChoices:
        v = self.values
        return SeriesChoices(
            columns=self.list.ticked(),
            target=v["target"],
            time=v["time"] or None,
            turned=v["turned"] if isinstance(self._preview, TablePreview) else None,
            break_at_jumps=v["break_at_jumps"],
            missing=v["missing"],
            steps=v["steps"],
            ahead=v["ahead"],
            stride=v["stride"],
            split=self.split,
            scaling=v["scaling"],
            batch_size=v["batch_size"],
        )

    def problem(self) -> Problem | None:
        v, ticked = self.values, self.list.ticked()
        if v["target"] is None:
            return self._nothing_to_forecast()
        if not ticked:
            return wrong(NOWHERE, "No column is read; tick one or more.")
        if (found := task_problem(self._task())) is not None:
            return found
        if said := self._wrong_order():
            return wrong("time", said)
        of_table = isinstance(self._preview, TablePreview)
        if (absent := self._absent()) and v["missing"] == "refuse":
            return wrong("missing", f"{missing_words(absent[0], of_table)}; choose what is done there.")
        first = -1 if v["turned"] else 0
        begins = [one for one in absent if unpacked(one.missing_rows, self._rows)[first]]
        if begins and v["missing"] == "last":
            return wrong(
                "missing",
                f"{short(begins[0].name)}: the first number is missing, and there is no last value before it; choose "
                "another way, or take the row away.",
            )
        return wrong("steps", self._windows.lacking(self._task(), self._treated()))

    def _nothing_to_forecast(self) -> Problem | None:
        columns = tuple(self._columns.values())
        return wrong("target" if any(c.counter for c in columns) else NOWHERE, nothing_to_forecast(columns))

    def _may_be_turned(self) -> bool:
        """Whether the file may begin with the newest row."""
        time = self._columns.get(self.values["time"])
        return time.falls if time is not None else any(c.kind == "date" and c.falls for c in self._columns.values())

    def _wrong_order(self) -> str:
        """What is wrong with the time as it is chosen, in a sentence; "" for nothing."""
        time = self._columns.get(self.values["time"])
        if time is None or (time.falling if self.values["turned"] else time.rising):
            return ""
        name = short(time.name)
        if time.falling or time.rising:
            return f"{name} {'falls' if time.falling else 'rises'}; turn the rows round, or let them be one step apart."
        if time.unordered is None:
            return f"{name} does not rise from row to row; let rows be one step apart."
        return (
            f"{name} is not in order in line {time.unordered:,}; sort the rows, each time once, or let them be one "
            "step apart."
        )

    def summary(self) -> str:
        v = self.values
        columns = len(self.list.ticked())
        ahead = "one row ahead" if v["ahead"] == 1 else f"{v['ahead']:,} rows ahead"
        said = [
            f"Reads {columns:,} {'column' if columns == 1 else 'columns'}",
            f"Windows of {v['steps']:,} {'row' if v['steps'] == 1 else 'rows'}, {v['batch_size']:,} a batch",
            f"Forecasts {short(v['target'] or '')} {ahead}",
        ]
        if v["turned"]:
            said.append("Rows are turned round: oldest first")
        time = self._columns.get(v["time"])
        if time is not None and time.jumps:
            jumps = "1 jump" if time.jumps == 1 else f"{time.jumps:,} jumps"
            said.append(f"Windows {'end at' if v['break_at_jumps'] else 'go over'} {jumps} in time")
        return "\n".join((*said, parts_in_words(self._windows.of_parts(self._task(), self._treated()))))

    def _task(self) -> SeriesTask:
        v = self.values
        return SeriesTask(
            data=NO_DATA,
            name=self._name,
            columns=self.list.ticked(),
            target=v["target"],
            steps=v["steps"],
            ahead=v["ahead"],
            stride=v["stride"],
            split=self.split,
            batch_size=v["batch_size"],
        )

    def _treated(self) -> Treated:
        v = self.values
        return Treated(v["missing"], v["time"] if v["break_at_jumps"] else None, v["turned"])

    def _absent(self) -> list[Column]:
        """Columns that are used, and have gaps."""
        used = dict.fromkeys((*self.list.ticked(), self.values["target"]))
        return [self._columns[name] for name in used if name in self._columns and self._columns[name].missing]

    def _ticked(self) -> None:
        self.refresh()
        self.changed.emit()

    def show_problem(self, found: Problem | None) -> None:
        super().show_problem(found)
        wrong_here = found is not None and found.field == NOWHERE
        self.list.setAccessibleDescription(found.sentence if found is not None and wrong_here else "")
