"""Settings survive a restart, and a damaged or newer file is as good as none."""

from __future__ import annotations

import pytest

from explorer import settings
from explorer.settings import Settings


def test_settings_come_back() -> None:
    saved = settings.with_recent(Settings(theme="dark", speed=20.0), "/a/b.gflow", "b", 12.0)
    settings.save(saved)
    assert settings.load() == saved


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"theme":"pink"}', b'{"version":2}', b"[" * 100_000, b"\xff"])
def test_a_file_that_is_not_ours_gives_the_defaults(content: bytes) -> None:
    settings.file().parent.mkdir(parents=True, exist_ok=True)
    settings.file().write_bytes(content)
    assert settings.load() == Settings()


def test_a_folder_that_cannot_be_written_disturbs_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRADFLOW_SETTINGS", "/proc/nowhere")
    settings.save(Settings(theme="dark"))
    assert settings.load() == Settings()


def test_recent_files_are_few_and_the_newest_comes_first() -> None:
    kept = Settings()
    for n in range(12):
        kept = settings.with_recent(kept, f"/{n}.gflow", str(n), float(n))
    kept = settings.with_recent(kept, "/9.gflow", "9", 99.0)
    assert [r.title for r in kept.recent] == ["9", "11", "10", "8", "7", "6", "5", "4"]
