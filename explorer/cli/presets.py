"""`gradflow presets`: a line each."""

from __future__ import annotations

from engine import presets


def list_presets() -> int:
    """Slug, tab, title."""
    for preset in presets.load_all():
        print(f"{preset.slug}\t{preset.title}")
    return 0
