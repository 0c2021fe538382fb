"""Errors of the engine, and its one warning. Each carries one sentence: what is wrong, where, and what would be
right."""


class EngineError(Exception):
    """Base of all errors that the engine raises on purpose. `str(error)` is a sentence fit for a status bar."""


class SpecError(EngineError):
    """An experiment's description is wrong: the sentence names the field, its value and what is accepted."""


class DataError(EngineError):
    """Input data or a tensor has the wrong shape, type or content."""


class SessionError(EngineError):
    """A session or recorded trace cannot be read or written: damaged, too large, too new, or refused by the disk."""


class PresetError(EngineError):
    """A preset's file is wrong, or there is no preset of that name."""


class DeviceWarning(UserWarning):
    """Computed on another device than the one that was asked for, or on it in a slower way than usual. Shown once a
    place, as Python does; a sentence of the first kind is also in `Network.device_note`, which the window shows."""
