"""A past of training as the tests of "Flow over training" want it, and a stage that shows it."""

from __future__ import annotations

import dataclasses

import numpy as np
import synthetic
from lessons import records
from PySide6.QtCore import QRect
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from engine.history import Log
from engine.tracks import FLOW_TRAINING
from engine.training_requests import Records
from explorer.stage.past import Past
from explorer.stage.scalebook import ScaleBook
from explorer.stage.stage import Stage
from explorer.stage.tracks.flow_training import FlowTraining
from explorer.theme import current as theming
from explorer.training.axes import last_iteration

T = 12


def rows_of(flow: np.ndarray, bad: bool = False, first: int = 0) -> Records:
    made = records(first, *flow.shape)
    return dataclasses.replace(made, flow=flow.astype(np.float32), flow_bad=np.full(len(flow), bad))


def log_of(flow: np.ndarray, bad: bool = False, first: int = 0) -> Log:
    return Log().appended(rows_of(flow, bad, first))


def rising(first: int, count: int, steps: int = T) -> Log:
    """log₁₀ of iteration i at step t: −(i mod 15) − t / 100."""
    i, t = np.arange(first, first + count)[:, None], np.arange(1, steps + 1)[None, :]
    return log_of(-(i % 15) - t / 100, first=first)


def track_of(log: Log, last: int, steps: int = T, shown: int = 0) -> FlowTraining:
    track = FlowTraining(FLOW_TRAINING)
    track.set_excerpt(synthetic.excerpt("rnn", T=steps, H=2), ScaleBook())
    track.set_past(Past(log, shown, last))
    return track


def staged(qtbot: QtBot) -> Stage:
    theming.apply("dark")
    stage = Stage()
    qtbot.addWidget(stage)
    stage.resize(900, 640)
    stage.set_tracks(("values.h", FLOW_TRAINING, "grads.h"))
    stage.set_excerpt(synthetic.excerpt("rnn", T=T, H=5))
    stage.set_position(T + 3)
    stage.set_past(Past(rising(0, 40), 7, last_iteration(40)))
    stage.show()
    stage.activateWindow()
    QApplication.processEvents()
    return stage


def box(stage: Stage) -> QRect:
    slot = next(s for s in stage.canvas.slots if s.track.key == FLOW_TRAINING)
    return stage.canvas.place(slot)
