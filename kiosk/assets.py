"""Where the files are that the kiosk shows: in the package of a wheel, at the top of a clone."""

from __future__ import annotations

from pathlib import Path

from kiosk.errors import KioskError


def path(name: str) -> Path:
    """The file or folder ``name`` among the assets, as in ``fonts/Bungee-Regular.ttf``."""
    here = Path(__file__).parent
    for place in (here / "assets", here.parent / "assets"):
        if (place / name).exists():
            return place / name
    raise KioskError(f"the asset {name} is missing: install the kiosk again")
