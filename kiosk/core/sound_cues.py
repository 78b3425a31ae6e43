"""Which sounds go with what the screen shows, and how loud they are."""

from __future__ import annotations

from enum import Enum

from kiosk.core.view import Screen, View

QUIET_SHARE = 0.35  # of the volume, in quiet hours


class SoundCue(Enum):
    """The sounds, by the names that themes give them."""

    ATTRACT = "attract"
    COIN = "coin"
    THANKS = "thanks"
    DECLINED = "declined"
    GAME_OVER = "game_over"


def cue_for(before: View | None, now: View) -> SoundCue | None:
    """The sound that is played when one view follows another."""
    if before is None:
        return None
    if now.screen is Screen.CREDITING:
        # The coin sounds as the relay closes, not when the screen changes.
        begun = now.closed and not (before.closed and before.coin == now.coin)
        return SoundCue.COIN if begun else None
    if now.screen is before.screen:
        return None
    if before.screen is Screen.CREDITING:
        return SoundCue.THANKS if now.screen is Screen.PLAYING else None
    if now.screen is Screen.DECLINED and not now.released:
        return SoundCue.DECLINED
    return SoundCue.GAME_OVER if now.screen is Screen.GAME_OVER else None


def attracts(now: View, since_last: float, every: float) -> bool:
    """Whether it is time for the jingle, ``since_last`` seconds after it, or after a player."""
    return every > 0 and now.screen is Screen.READY and since_last >= every


def is_quiet(minute: int, hours: tuple[int, int] | None) -> bool:
    """Whether a minute of the day lies in the quiet hours, which may span midnight."""
    if hours is None:
        return False
    begin, end = hours
    return begin <= minute < end if begin <= end else minute >= begin or minute < end


def loudness(cue: SoundCue, volume: float, quiet: bool) -> float:
    """How loud a sound is played, 0 to 1; in quiet hours nothing attracts players."""
    if not quiet:
        return volume
    return 0.0 if cue in (SoundCue.ATTRACT, SoundCue.GAME_OVER) else volume * QUIET_SHARE
