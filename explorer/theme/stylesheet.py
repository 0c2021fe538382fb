"""The application's style sheet, made from a theme's tokens."""

from __future__ import annotations

from explorer.theme.tokens import GAP, PAD, RADIUS, SMALL_PX, TIGHT, TITLE_PX, Theme


def stylesheet(t: Theme) -> str:
    return f"""
QWidget {{ color: {t.text}; }}
QMainWindow, QDialog {{ background: {t.window}; }}
QToolTip {{ background: {t.raised}; color: {t.text}; border: 1px solid {t.border}; padding: {TIGHT}px; }}
QLabel[role="muted"] {{ color: {t.muted}; }}
QLabel[role="title"] {{ font-size: {TITLE_PX}px; font-weight: 700; }}
QLabel[role="section"] {{ color: {t.muted}; font-size: {SMALL_PX}px; font-weight: 600; letter-spacing: 1px; }}
QFrame[role="card"] {{ background: {t.surface}; border: 1px solid {t.line}; border-radius: {RADIUS + 2}px; }}
QFrame[role="popup"] {{ background: {t.surface}; border: 1px solid {t.border}; border-radius: {RADIUS}px; }}
QFrame[role="popup"] QListView {{ background: {t.surface}; }}
QFrame[role="panel"] {{ background: {t.surface}; border: none; }}
QFrame[role="rule"] {{ background: {t.line}; border: none; }}
QPushButton, QToolButton {{
    background: {t.raised}; border: 1px solid {t.line}; border-radius: {RADIUS}px; padding: {TIGHT}px {PAD}px;
    min-height: 20px;
}}
QPushButton:hover, QToolButton:hover {{ border-color: {t.border}; }}
QPushButton:pressed, QToolButton:pressed {{ background: {t.line}; }}
QPushButton:focus, QToolButton:focus {{ border-color: {t.accent}; }}
QPushButton:disabled, QToolButton:disabled {{ color: {t.border}; }}
QPushButton[role="small"] {{ padding: 0 {GAP}px; min-height: 18px; font-size: {SMALL_PX}px; }}
QPushButton[role="small"]:checked {{ border: 2px solid {t.text}; padding: 0 {GAP - 1}px; font-weight: 600; }}
QPushButton[role="small"]:checked:focus {{ border-color: {t.accent}; }}
QPushButton[role="primary"], QToolButton[role="primary"] {{
    background: {t.accent}; color: {t.on_accent}; border-color: {t.accent}; font-weight: 600;
}}
QPushButton[role="primary"]:focus, QToolButton[role="primary"]:focus {{ border-color: {t.text}; }}
QPushButton[role="small-primary"] {{
    background: {t.accent}; color: {t.on_accent}; border-color: {t.accent}; font-weight: 600;
    padding: 0 {PAD}px; min-height: 20px;
}}
QPushButton[role="small-primary"]:focus {{ border-color: {t.text}; }}
QPushButton[role="primary"]:disabled, QToolButton[role="primary"]:disabled,
QPushButton[role="small-primary"]:disabled {{
    background: {t.raised}; color: {t.border}; border-color: {t.line};
}}
QPushButton[role="add"] {{ padding: 3px 2px; }}
QToolButton::menu-indicator {{ image: none; width: 0; }}
QLineEdit, QSpinBox, QDoubleSpinBox, QComboBox {{
    background: {t.raised}; border: 1px solid {t.line}; border-radius: {RADIUS}px;
    padding: 2px {GAP}px; min-height: 22px;
    selection-background-color: {t.accent}; selection-color: {t.on_accent};
    placeholder-text-color: {t.muted};
}}
QLineEdit:focus, QSpinBox:focus, QDoubleSpinBox:focus, QComboBox:focus {{ border-color: {t.accent}; }}
QComboBox::drop-down {{ border: none; width: 18px; }}
QLineEdit[role="quiet"] {{ padding: 0 4px; min-height: 18px; }}
QLineEdit[role="quiet"]:!hover:!focus, QLineEdit[role="quiet"]:disabled {{
    background: transparent; border: 1px solid transparent;
}}
QSpinBox[role="plain"], QSpinBox[role="plain"]:focus {{
    background: transparent; border: none; padding: 0; min-height: 20px;
}}
QSpinBox[role="plain"]::up-button, QSpinBox[role="plain"]::down-button {{ width: 0; height: 0; border: none; }}
QComboBox[role="field"] {{ min-height: 18px; padding: 0; }}
QComboBox QAbstractItemView {{ background: {t.raised}; border: 1px solid {t.border}; }}
QListView[role="ticks"], QPlainTextEdit {{
    background: {t.surface}; border: 1px solid {t.line}; border-radius: {RADIUS}px; padding: 2px;
}}
QListView[role="ticks"]:focus, QPlainTextEdit:focus {{ border-color: {t.accent}; }}
QListView[role="ticks"]::item {{ min-height: 20px; padding: 0 {TIGHT}px; border: none; }}
QListView[role="ticks"]::item:selected {{ background: transparent; color: {t.text}; }}
QListView[role="ticks"]::item:selected:active:focus {{ background: {t.raised}; }}
QListView[role="ticks"]::item:disabled {{ color: {t.muted}; }}
QTableView {{
    background: {t.surface}; gridline-color: {t.line}; border: 1px solid {t.line};
    selection-background-color: {t.accent}; selection-color: {t.on_accent};
}}
QTableView:focus {{ border-color: {t.accent}; }}
QHeaderView {{ background: {t.raised}; border: none; }}
QHeaderView::section {{
    background: {t.raised}; border: none; border-right: 1px solid {t.line}; border-bottom: 1px solid {t.line};
    padding: 2px {TIGHT}px;
}}
QTableCornerButton::section {{
    background: {t.raised}; border: none; border-right: 1px solid {t.line}; border-bottom: 1px solid {t.line};
}}
QMenuBar {{ background: {t.surface}; border-bottom: 1px solid {t.line}; padding: 1px {TIGHT}px; }}
QMenuBar::item {{ padding: {TIGHT}px {GAP}px; border-radius: {TIGHT}px; background: transparent; }}
QMenuBar::item:selected {{ background: {t.raised}; }}
QMenu {{ background: {t.surface}; border: 1px solid {t.border}; padding: {TIGHT}px; }}
QMenu::item {{ padding: {TIGHT}px {PAD * 2}px; border-radius: {TIGHT}px; }}
QMenu::item:selected {{ background: {t.raised}; }}
QMenu::item:disabled {{ color: {t.border}; }}
QMenu::separator {{ height: 1px; background: {t.line}; margin: {TIGHT}px {GAP}px; }}
QStatusBar {{ background: {t.surface}; border-top: 1px solid {t.line}; }}
QStatusBar::item {{ border: none; }}
QScrollArea {{ background: transparent; border: none; }}
QAbstractScrollArea::corner {{ background: transparent; border: none; }}
QScrollBar:vertical {{ background: transparent; width: 10px; margin: 0; }}
QScrollBar:horizontal {{ background: transparent; height: 10px; margin: 0; }}
QScrollBar::handle {{ background: {t.border}; border-radius: 4px; min-height: 24px; min-width: 24px; margin: 1px; }}
QScrollBar::handle:disabled {{ background: transparent; }}
QScrollBar::add-line, QScrollBar::sub-line {{ width: 0; height: 0; }}
QScrollBar::add-page, QScrollBar::sub-page {{ background: transparent; }}
QSlider::groove:horizontal {{ height: 3px; border-radius: 1px; background: {t.border}; }}
QSlider::sub-page:horizontal {{ height: 3px; border-radius: 1px; background: {t.accent}; }}
QSlider::handle:horizontal {{
    background: {t.text}; width: 14px; height: 14px; margin: -6px 0; border-radius: 7px; border: none;
}}
QSlider::handle:horizontal:focus {{ background: {t.accent}; }}
QSplitter::handle {{ background: {t.line}; }}
QSplitter::handle:horizontal {{ width: 1px; }}
QSplitter::handle:vertical {{ height: 1px; }}
QProgressBar {{ background: {t.raised}; border: none; border-radius: 3px; max-height: 6px; }}
QProgressBar::chunk {{ background: {t.accent}; border-radius: 3px; }}
"""
