"""What is heard, and that a machine without a sound device is only silent."""

from __future__ import annotations

import wave
from itertools import pairwise
from pathlib import Path
from unittest.mock import MagicMock

import pygame
import pytest

from kiosk.core.sound_cues import SoundCue, attracts, cue_for, is_quiet, loudness
from kiosk.core.view import Screen, View
from kiosk.display import theme
from kiosk.display.sounds import Sounds
from kiosk.display.window import Frame
from tools import sounds as maker
from tools.views import OFFER

READY = View(Screen.READY, OFFER)
FILES = dict(theme.load("night").sounds)


def coin(number: int, closed: bool) -> View:
    return View(Screen.CREDITING, coin=number, coins=2, closed=closed)


def test_a_payment_sounds_like_one() -> None:
    views = [
        READY,
        View(Screen.PAYING),
        coin(1, True), coin(1, False), coin(2, True), coin(2, False),
        View(Screen.PLAYING, OFFER, credits_left=2),
        View(Screen.PLAYING, OFFER, credits_left=1),
        View(Screen.GAME_OVER, OFFER),
        READY,
    ]  # fmt: skip
    told = [cue_for(before, now) for before, now in pairwise(views)]
    assert [sound for sound in told if sound] == [
        SoundCue.COIN, SoundCue.COIN, SoundCue.THANKS, SoundCue.GAME_OVER,
    ]  # fmt: skip


def test_a_declined_card_is_heard_and_money_back_is_not() -> None:
    paying = View(Screen.PAYING)
    assert cue_for(paying, View(Screen.DECLINED)) is SoundCue.DECLINED
    assert cue_for(paying, View(Screen.DECLINED, released=True)) is None
    assert cue_for(None, View(Screen.DECLINED)) is None


@pytest.mark.parametrize(
    ("minute", "hours", "quiet"),
    [
        (23 * 60, (22 * 60, 8 * 60), True),
        (3 * 60, (22 * 60, 8 * 60), True),
        (8 * 60, (22 * 60, 8 * 60), False),
        (13 * 60, (13 * 60, 14 * 60), True),
        (14 * 60, (13 * 60, 14 * 60), False),
        (0, None, False),
    ],
)
def test_quiet_hours_may_span_midnight(
    minute: int, hours: tuple[int, int] | None, quiet: bool
) -> None:
    assert is_quiet(minute, hours) is quiet


def test_nothing_calls_for_players_in_quiet_hours() -> None:
    assert loudness(SoundCue.ATTRACT, 0.8, quiet=True) == 0
    assert 0 < loudness(SoundCue.COIN, 0.8, quiet=True) < 0.8
    assert loudness(SoundCue.ATTRACT, 0.8, quiet=False) == 0.8


def test_the_jingle_comes_at_its_interval_and_on_the_attract_screen_only() -> None:
    assert attracts(READY, 300, 300)
    assert not attracts(READY, 299, 300)
    assert not attracts(READY, 9999, 0)
    assert not attracts(View(Screen.PLAYING), 9999, 300)


class TestSounds:
    @pytest.fixture
    def mixer(self, monkeypatch: pytest.MonkeyPatch) -> MagicMock:
        """pygame's mixer, of which only the device is not real."""
        mixer = MagicMock()
        mixer.get_init.return_value = None
        monkeypatch.setattr(pygame, "mixer", mixer)
        return mixer

    def play(self, *views: View, now: list[float] | None = None) -> None:
        now = now or [0.0]
        sounds = Sounds(FILES, 0.5, None, 300.0, lambda: now[0])
        sounds.start()
        for view in views:
            sounds.on_frame(Frame(pygame.Surface((1, 1)), view, None, True))
        sounds.stop()

    def test_plays_what_is_heard_with_its_volume(self, mixer: MagicMock) -> None:
        self.play(READY, coin(1, True))
        mixer.Sound.assert_called_once_with(FILES["coin"])
        mixer.Sound.return_value.set_volume.assert_called_once_with(0.5)
        mixer.Sound.return_value.play.assert_called_once_with()
        mixer.quit.assert_called()

    def test_the_jingle_is_played_while_the_attract_screen_stays(self, mixer: MagicMock) -> None:
        now = [0.0]
        sounds = Sounds(FILES, 0.5, None, 300.0, lambda: now[0])
        sounds.start()
        for second in range(0, 700, 10):
            now[0] = float(second)
            sounds.on_frame(Frame(pygame.Surface((1, 1)), READY, None, True))
        sounds.stop()
        assert mixer.Sound.return_value.play.call_count == 2

    def test_no_device_is_no_error_and_told_once(
        self,
        mixer: MagicMock,
        monkeypatch: pytest.MonkeyPatch,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        caplog.set_level("INFO")
        mixer.init.side_effect = pygame.error("no such device")
        self.play(READY, coin(1, True), coin(2, True))
        assert caplog.text.count("the kiosk is silent: no such device") == 1
        assert not [r for r in caplog.records if r.levelname in ("WARNING", "ERROR")]


@pytest.mark.parametrize("name", maker.SOUNDS)
def test_the_shipped_sounds_are_those_that_the_tool_makes(name: str) -> None:
    shape, ring, notes = maker.SOUNDS[name]
    values = maker.samples(shape, ring, notes)
    with wave.open(str(maker.FOLDER / f"{name}.wav")) as file:
        frames = file.readframes(file.getnframes())
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (22050, 1, 2)
    made = maker.encode(values)
    assert len(made) == len(frames)
    # Another libm may round the last bit otherwise.
    pairs = zip(memoryview(made).cast("h"), memoryview(frames).cast("h"), strict=True)
    assert max(abs(one - other) for one, other in pairs) <= 2


def test_every_theme_has_a_file_for_every_sound() -> None:
    for name in theme.SHIPPED:
        files = dict(theme.load(name).sounds)
        assert set(files) == {sound.value for sound in SoundCue}
        assert all(isinstance(path, Path) and path.stat().st_size > 1000 for path in files.values())
