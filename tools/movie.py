"""The README's moving picture: ``python -m tools.movie`` films one payment.

The demo's own kiosk, sandbox and relay play a payment of three plays over a line that is as slow as
a mobile one; what is filmed is the kiosk's screen, from its mirror.
"""

from __future__ import annotations

import argparse
import io
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import requests
from PIL import Image

from demo import player
from demo.arcade import Arcade, Options, wait_until
from kiosk.core.view import Screen

SIZE = (640, 360)
FRAME = 1 / 12.5  # seconds of the picture's frames
PLAYS = 3
SECONDS = 60.0
DELAY = 0.45  # seconds each way between cabinet and cloud


class Camera:
    """Keeps every frame of a mirror's stream with the time it came."""

    def __init__(self, mirror: str) -> None:
        self._stream = requests.get(f"{mirror}/stream", stream=True, timeout=30)
        self.frames: list[tuple[float, bytes]] = []
        self._stopped = False
        self._thread = threading.Thread(target=self._film, name="camera")
        self._thread.start()

    def stop(self) -> None:
        """Ends with the next frame."""
        self._stopped = True
        self._thread.join(10.0)
        self._stream.close()

    def _film(self) -> None:
        for jpeg in _parts(self._stream):
            self.frames.append((time.monotonic(), jpeg))
            if self._stopped:
                return


def _parts(stream: requests.Response) -> Iterator[bytes]:
    """The JPEGs of a multipart stream."""
    lines = stream.raw
    while line := lines.readline():
        if line.lower().startswith(b"content-length:"):
            length = int(line.partition(b":")[2])
            lines.readline()
            yield lines.read(length)


def play(arcade: Arcade) -> None:
    """A payment at a person's pace."""
    until = time.monotonic() + SECONDS

    def shows(screen: Screen, **more: object) -> Any:
        return lambda state: (
            state["screen"] == screen.value
            and all(state[key] == value for key, value in more.items())
        )

    state = wait_until(arcade, shows(Screen.READY, shows_qr=True), "the attract screen", until)
    time.sleep(2.4)
    player.pay(state["qr"]["url"], PLAYS)
    wait_until(arcade, shows(Screen.PLAYING, credits_left=PLAYS), "the credits", until)
    time.sleep(1.8)
    for left in range(PLAYS - 1, -1, -1):
        arcade.game_over()
        screen = Screen.PLAYING if left else Screen.GAME_OVER
        wait_until(arcade, shows(screen, credits_left=left), f"{left} credits left", until)
        time.sleep(0.7)
    time.sleep(1.6)


def film() -> list[Image.Image]:
    """The frames of one payment, at an even pace."""
    with tempfile.TemporaryDirectory(prefix="arcade-movie-") as data:
        arcade = Arcade(Options(Path(data), "", False, None, False, delay=DELAY))
        arcade.start()
        try:
            until = time.monotonic() + SECONDS
            wait_until(arcade, lambda state: state["shows_qr"], "the code", until)
            camera = Camera(arcade.mirror)
            try:
                play(arcade)
            finally:
                camera.stop()
        finally:
            arcade.stop()
    pictures = []
    due = camera.frames[0][0]
    for at, jpeg in camera.frames:
        if at < due:
            continue
        due += FRAME
        picture = Image.open(io.BytesIO(jpeg)).convert("RGB")
        pictures.append(picture.resize(SIZE, Image.Resampling.LANCZOS))
    return pictures


def main() -> int:
    """Films and saves."""
    parser = argparse.ArgumentParser(prog="python -m tools.movie", description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("docs/images/payment.webp"))
    out: Path = parser.parse_args().out
    frames = film()
    out.parent.mkdir(parents=True, exist_ok=True)
    frames[0].save(
        out,
        save_all=True,
        append_images=frames[1:],
        duration=round(1000 * FRAME),
        loop=0,
        quality=72,
        method=4,
    )
    print(f"{out}: {len(frames)} frames, {out.stat().st_size // 1024} KiB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
