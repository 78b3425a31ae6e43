"""The screen, 1920×1080 at 30 frames a second: at rest, in transitions, and over a week.

Loops of the same run, drawn in memory (SDL's dummy driver): one that draws nothing, the kiosk's own
(which redraws what moves), and the same picture put together whole for each frame. Then the same
idle picture with pygame's newer renderer.
"""

from __future__ import annotations

import os
import resource
import time
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from benchmarks.rows import Row, spread
from kiosk.core.view import Bonus, Offer, Screen, View

if TYPE_CHECKING:
    from kiosk.display.renderer import Renderer

SIZE = (1920, 1080)
SMALL = (800, 480)
SECONDS = 5.0
FRAME = 1 / 30
SCREEN_FRAME = 1 / 60  # of the screen itself: a frame that takes longer is seen
OFFER = Offer("https://buy.stripe.com/test_bench", 100, "USD", 2, (Bonus(5, 6),))
READY, PAYING = View(Screen.READY, OFFER), View(Screen.PAYING, OFFER)
DAY = 86400.0


def run() -> list[Row]:
    """Draws for some seconds each way."""
    os.environ.setdefault("SDL_VIDEODRIVER", "dummy")
    import pygame

    pygame.display.init()
    pygame.display.set_mode(SIZE)
    rows = [*_idle(), *_transitions(), *_week(), *_renderer()]
    pygame.display.quit()
    return rows


def renderer(size: tuple[int, int]) -> Renderer:
    """The kiosk's renderer as it is shipped."""
    from kiosk.display import theme
    from kiosk.display.look import Look
    from kiosk.display.renderer import Renderer

    return Renderer(size, "Galaxy Patrol", Look(theme.load(theme.DEFAULT)))


def _idle() -> list[Row]:
    import pygame

    surface = pygame.display.get_surface()
    assert surface is not None
    kiosk = renderer(SIZE)
    kiosk.draw(surface, READY, 0.0)
    area: list[float] = []

    def nothing(_t: float) -> None:
        pygame.event.get()
        pygame.display.update([])

    def moving(t: float) -> None:
        pygame.event.get()
        dirty = kiosk.draw(surface, READY, t)
        area.append(sum(r.width * r.height for r in dirty) / (SIZE[0] * SIZE[1]))
        pygame.display.update(dirty)

    composition = kiosk.composition
    assert composition is not None

    def whole(t: float) -> None:
        pygame.event.get()
        surface.blit(composition.static, (0, 0))
        for sprite in composition.sprites:
            shown = sprite.at(int(t / sprite.step))
            if shown is not None:
                surface.blit(shown[0], shown[1:])
        pygame.display.flip()

    again = renderer(SIZE)

    def everything(t: float) -> None:
        pygame.event.get()
        # Another composition each time, so that every layer is drawn again.
        again.draw(surface, READY if int(t * 30) % 2 else PAYING, t)
        pygame.display.flip()

    _loop(moving, 1.0)
    area.clear()
    floor, floor_cpu = _loop(nothing)
    idle, idle_cpu = _loop(moving)
    copied, copied_cpu = _loop(whole)
    full, full_cpu = _loop(everything)
    return [
        Row("idle: a loop that draws nothing, CPU", f"{100 * floor_cpu:.2f} %", "1"),
        Row("idle: the kiosk's attract screen, CPU", f"{100 * idle_cpu:.2f} %",
            f"{idle_cpu / floor_cpu:.1f} × floor",
            f"{100 * sum(area) / len(area):.2f} % of the pixels a frame"),
        Row("idle: the same picture copied whole each frame, CPU", f"{100 * copied_cpu:.2f} %",
            f"kiosk {idle_cpu / copied_cpu:.2f} ×"),
        Row("idle: every layer drawn again each frame, CPU", f"{100 * full_cpu:.1f} %",
            f"kiosk {idle_cpu / full_cpu:.3f} ×"),
        Row("frame that draws nothing, p50/p95/p99", spread(floor)),
        Row("frame of the attract screen", spread(idle)),
        Row("frame, copied whole", spread(copied)),
        Row("frame, every layer", spread(full)),
    ]  # fmt: skip


def _loop(draw: Callable[[float], None], seconds: float = SECONDS) -> tuple[list[float], float]:
    """Draws for ``seconds``; returns the seconds of each frame and the share of a core."""
    times = []
    begun, cpu = time.monotonic(), time.process_time()
    number = 0
    while (now := time.monotonic()) - begun < seconds:
        frame = time.perf_counter()
        draw(now - begun)
        times.append(time.perf_counter() - frame)
        number += 1
        time.sleep(max(0.0, begun + number * FRAME - time.monotonic()))
    return times, (time.process_time() - cpu) / (time.monotonic() - begun)


def payment() -> Iterator[tuple[View, float]]:
    """One payment of three plays as the screen sees it: each view, and the seconds it is shown."""
    yield READY, 2.0
    yield PAYING, 1.0
    for coin in (1, 2, 3):
        yield View(Screen.CREDITING, coin=coin, coins=3, closed=True), 0.1
        yield View(Screen.CREDITING, coin=coin, coins=3), 0.4
    for left in (3, 2, 1):
        yield View(Screen.PLAYING, OFFER, credits_left=left), 1.0
    yield View(Screen.GAME_OVER, OFFER), 1.0
    yield View(Screen.DECLINED, OFFER), 1.0
    yield View(Screen.OFFLINE), 1.0


def _transitions() -> list[Row]:
    """Each frame of some payments, as the window's loop draws them."""
    import pygame

    from kiosk.display.window import SLICE

    surface = pygame.display.get_surface()
    assert surface is not None
    kiosk = renderer(SIZE)
    times: list[float] = []
    waits: list[float] = []
    kiosk.draw(surface, READY, 0.0)
    t = 0.0
    for _ in range(6):
        for view, seconds in payment():
            end, begun, asked = t + seconds, t, time.perf_counter()
            busy = True
            while t < end:
                frame = time.perf_counter()
                dirty = kiosk.draw(surface, view, t, SLICE)
                pygame.display.update(dirty)
                spent = time.perf_counter() - frame
                times.append(spent)
                if busy and not kiosk.busy:
                    busy = False
                    if t > begun:
                        waits.append(time.perf_counter() - asked)
                t += max(spent, FRAME) if not kiosk.busy else spent
    return [
        Row("frame in transitions, p50/p95/p99", spread(times),
            f"p99 {sorted(times)[int(0.99 * len(times))] / SCREEN_FRAME:.2f} × a 60 Hz frame",
            f"{len(times)} frames of 6 payments, worst {1000 * max(times):.1f} ms"),
        Row("a new view until its transition begins", spread(waits)),
    ]  # fmt: skip


def _week() -> list[Row]:
    """A week of the attract screen with a payment every hour, as fast as it draws."""
    import pygame

    surface = pygame.Surface(SMALL)
    kiosk = renderer(SMALL)
    sizes: list[int] = []
    t = 0.0
    for day in range(7):
        while t < (day + 1) * DAY:
            for view, seconds in payment():
                for frame in range(8):
                    kiosk.draw(surface, view, t + seconds * frame / 8)
                t += seconds
            hour = t + 3600
            while t < hour:
                kiosk.draw(surface, READY, t)
                t += 5.0
        sizes.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
    return [
        Row("memory after a simulated day and week", f"{sizes[0] / 1024:.1f} / "
            f"{sizes[-1] / 1024:.1f} MiB", f"{sizes[-1] / sizes[0]:.3f} ×",
            "the most that was ever held, with the loops above")
    ]  # fmt: skip


def _renderer() -> list[Row]:
    """The idle picture with ``pygame._sdl2.video``: textures, and the whole screen each frame."""
    import pygame
    from pygame._sdl2 import video

    kiosk = renderer(SIZE)
    surface = pygame.Surface(SIZE)
    kiosk.draw(surface, READY, 0.0)
    composition = kiosk.composition
    assert composition is not None
    window = pygame.Window("bench", SIZE, hidden=True)
    textures = video.Renderer(window)
    known: dict[int, video.Texture] = {}
    static = video.Texture.from_surface(textures, composition.static)

    def draw(t: float) -> None:
        pygame.event.get()
        textures.blit(static)
        for sprite in composition.sprites:
            shown = sprite.at(int(t / sprite.step))
            if shown is not None:
                texture = known.get(id(shown[0]))
                if texture is None:
                    texture = known[id(shown[0])] = video.Texture.from_surface(textures, shown[0])
                textures.blit(texture, pygame.Rect(shown[1:], shown[0].get_size()))
        textures.present()

    frames, cpu = _loop(draw)
    window.destroy()
    return [
        Row("idle with pygame's renderer (software here), CPU", f"{100 * cpu:.2f} %"),
        Row("frame with pygame's renderer", spread(_trimmed(frames))),
    ]


def _trimmed(frames: Sequence[float]) -> Sequence[float]:
    """Without the first, in which textures are made."""
    return frames[3:]
