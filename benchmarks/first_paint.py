"""Opens the window in this process, prints when the stage was first painted, and ends.

    python -m benchmarks.first_paint

Prints: the time of day in seconds, this process's processor time in seconds, and whether torch was imported here.
"""

from __future__ import annotations

import os
import sys
import time

from explorer import startup


def main() -> None:
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    startup.begin()  # and then the imports: as `gradflow` does
    from PySide6.QtCore import QCoreApplication, QEvent, QObject

    from explorer.app import Explorer, application
    from explorer.compute.executor import EngineProcess
    from explorer.settings import Settings

    class Watch(QObject):
        def eventFilter(self, watched: QObject, event: QEvent) -> bool:
            if event.type() == QEvent.Type.Paint:
                print(time.time(), time.process_time(), "torch" in sys.modules)
                watched.removeEventFilter(self)
                QCoreApplication.quit()
            return False

    app = application()
    engine = EngineProcess()
    engine.start()
    explorer = Explorer(engine, Settings(theme="dark"))
    watch = Watch()
    explorer.window.stage.installEventFilter(watch)
    explorer.window.show()
    app.exec()
    explorer.close()


if __name__ == "__main__":
    main()
