"""The one module that wires everything together: the application, the engine's process, the document, the window."""

from __future__ import annotations

import sys
from concurrent.futures import Executor
from pathlib import Path

from PySide6.QtCore import QByteArray, QEvent, QObject, QTimer, Slot
from PySide6.QtGui import QIcon
from PySide6.QtWidgets import QApplication

from engine import folders, presets
from engine.tape import Phase
from explorer import settings as stored
from explorer import sizes, startup
from explorer.analysis.desk import Desk
from explorer.bindings import Bindings
from explorer.bindings.parts import Parts
from explorer.commands import Commands
from explorer.compute.courier import Courier
from explorer.compute.executor import EngineProcess
from explorer.controller import Controller
from explorer.data_dialog.reader import Reader
from explorer.document import opening
from explorer.document.document import Document
from explorer.document.opening import Opening
from explorer.evaluation.evaluator import Evaluator
from explorer.evaluation.first import FirstEvaluation
from explorer.files import Files
from explorer.motion import reduced_motion
from explorer.player import Player
from explorer.settings import Settings, ThemeChoice
from explorer.theme import current as theming
from explorer.theme.choice import ThemeKeeper
from explorer.training.book import Book
from explorer.training.runner import Runner
from explorer.transport.ending import AtEnd
from explorer.window import MainWindow


class Explorer(QObject):
    """One window with everything that belongs to it. `close()` leaves no thread, process or timer behind."""

    def __init__(self, executor: Executor, settings: Settings | None = None, *, remember: bool = False) -> None:
        """`remember`: whether settings go back to disk (not in tests, not when rendering)."""
        super().__init__()
        settings = settings or Settings()
        self.executor = executor
        with theming.styled_at_the_end():
            self.themes = ThemeKeeper(settings.theme, self)
            self.window = MainWindow()
            found = opening.of_nothing()
            self.document = Document(found.state, found.view, parent=self)
            self.courier = Courier(executor, self, arrived=self.window.stage.ahead.arrived)
            self.controller = Controller(self.document, self.courier, self)
            self.player = Player(self)
            self.player.set_speed(settings.speed)
            self.window.transport.set_speed(self.player.speed)
            self.desk = Desk(self.courier, self)
            self.window.analysis.set_open(settings.analyses)
            self.book = Book(self.document, self)
            self.runner = Runner(self.document, self.controller, self.courier, self)
            self.reader = Reader(self.courier, self)
            self.evaluator = Evaluator(self.courier, self)
            self.first = FirstEvaluation(self.document, self.controller, self.courier, self)
            self.first.known.connect(self.book.know)
            self.runner.runningChanged.connect(self.first.set_training)
            parts = Parts(
                self.window,
                self.document,
                self.controller,
                self.player,
                self.desk,
                self.book,
                self.runner,
                self.reader,
                self.evaluator,
            )
            self.bindings = Bindings(parts)
            self.files = Files(self.window, self.document, self.controller, settings, remember=remember)
            self.commands = Commands(parts, self.bindings, self.files, self.themes)
        self.themes.chosen.connect(self._theme_chosen)
        self.bindings.tape.pick_at_end(settings.at_end)
        self.bindings.tape.atEndChanged.connect(self._at_end_changed)
        self.window.transport.speedChanged.connect(self._speed_changed)
        self.window.analysis.openChanged.connect(self._analyses_opened)
        self.window.set_drawer_height(settings.drawer_height)
        if settings.drawer:
            self.window.drawer.show_tab(settings.drawer)
        self.window.drawer.openChanged.connect(self._drawer_opened)
        self.window.drawerHeightChanged.connect(self._drawer_dragged)
        if settings.geometry:
            self.window.restoreGeometry(QByteArray.fromBase64(settings.geometry.encode()))

    def show(self, found: Opening) -> None:
        self.files.show(found)
        self.window.show()

    def close(self) -> None:
        """Stop playing, drop what is under way, end the engine's process."""
        self.player.pause()
        self.runner.pause()
        self.files.finish_saving()
        self.bindings.tracks.tables.close()
        # The parts are destroyed one by one from here on: none may speak to another any more.
        for part in (self.window.dock, self.window.stage, self.document, self.document.undo_stack):
            part.blockSignals(True)
        self.courier.close()
        self.executor.shutdown(wait=True)

    @Slot(str)
    def _theme_chosen(self, choice: ThemeChoice) -> None:
        self._set(theme=choice)

    @Slot(float)
    def _speed_changed(self, speed: float) -> None:
        self._set(speed=speed)

    @Slot(str)
    def _at_end_changed(self, at_end: AtEnd) -> None:
        self._set(at_end=at_end)

    @Slot(tuple)
    def _analyses_opened(self, names: tuple[str, ...]) -> None:
        self._set(analyses=names)

    @Slot(str)
    def _drawer_opened(self, tab: str) -> None:
        self._set(drawer=tab)

    @Slot(int)
    def _drawer_dragged(self, height: int) -> None:
        self._set(drawer_height=height)

    def remember_geometry(self) -> None:
        self._set(geometry=bytes(self.window.saveGeometry().toBase64().data()).decode())

    def _set(self, **changes: object) -> None:
        known = {name: getattr(self.files.settings, name) for name in Settings.__struct_fields__}
        self.files.set_settings(Settings(**{**known, **changes}))


SHOW_PROMPT_MS = 2500
_HANDS_ON = {QEvent.Type.KeyPress, QEvent.Type.MouseButtonPress, QEvent.Type.Wheel, QEvent.Type.TouchBegin}


def application(scale: int = sizes.USUAL) -> QApplication:
    """The application object, made once; `scale`: the size of everything in percent."""
    app = QApplication.instance()
    if isinstance(app, QApplication):
        return app
    with sizes.applied(scale):
        app = QApplication(sys.argv[:1])
    app.setApplicationName("Gradient Flow Explorer")
    app.setDesktopFileName("gradient-flow-explorer")
    app.setWindowIcon(QIcon(str(folders.resources() / "icons" / "app.svg")))
    return app


def main(found: Opening | None = None, scale: int | None = None, data: Path | None = None) -> int:
    """Open the window on something, or on the default experiment. Returns the exit status: `reopening.STATUS` where
    the program is to start anew. `scale`: of this run alone; None: as it is remembered. `data`: a file of somebody's
    own, which a new experiment's dialog shows."""
    settings = stored.load()
    app = application(settings.scale if scale is None else scale)
    executor = EngineProcess()
    executor.start()
    explorer = Explorer(executor, settings, remember=True)
    app.aboutToQuit.connect(explorer.remember_geometry)
    # The window paints first; reading presets and asking the engine come right after.
    explorer.window.show()
    explorer.window.stage.set_message("Starting the engine…")
    start = _Start(explorer, found, data)
    QTimer.singleShot(0, start.run)
    status = app.exec()
    explorer.close()
    return status


class _Start(QObject):
    """What happens right after the first paint: something is opened, and the default experiment begins to play.

    Somebody who only looks sees the gradient vanish; whoever touches a key or the mouse first has the tape to himself.
    """

    def __init__(self, explorer: Explorer, found: Opening | None, data: Path | None = None) -> None:
        super().__init__(explorer)
        self._explorer, self._found, self._data = explorer, found, data
        self._wait = QTimer(self)
        self._wait.setSingleShot(True)
        self._wait.setInterval(SHOW_PROMPT_MS)
        self._wait.timeout.connect(self._play)

    @Slot()
    def run(self) -> None:
        startup.done()
        if self._data is not None:
            self._explorer.show(opening.of_nothing())
            self._explorer.files.open_path(str(self._data.absolute()))
            return
        self._explorer.show(self._found or opening.of_preset(presets.default()))
        if self._found is None and not reduced_motion():
            self._explorer.controller.excerptChanged.connect(self._wait_a_moment)
            application().installEventFilter(self)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if event.type() in _HANDS_ON:
            self._leave()
        return False

    @Slot()
    def _wait_a_moment(self) -> None:
        if self._explorer.controller.excerpt is not None and not self._wait.isActive():
            self._wait.start()

    @Slot()
    def _play(self) -> None:
        self._leave()
        document = self._explorer.document
        self._explorer.bindings.tape.show_off(document.tape.span(Phase.BACKWARD)[-1])

    def _leave(self) -> None:
        self._wait.stop()
        application().removeEventFilter(self)
        self._explorer.controller.excerptChanged.disconnect(self._wait_a_moment)
