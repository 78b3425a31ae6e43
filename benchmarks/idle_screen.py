"""The attract screen at rest, 1920×1080: what a frame costs, and how much of a core it takes.

Three loops in one run, each with 30 frames a second drawn in memory (SDL's dummy driver): one that
only flips, the kiosk's (which redraws what moves), and the same picture redrawn whole each time.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable

from benchmarks.rows import Row, spread

SIZE = (1920, 1080)
SECONDS = 4.0
FRAME = 1 / 30


def run() -> list[Row]:
    """Draws for some seconds each way."""
    os.environ.setdefault("SDL_VIDEODRIVER", "dummy")
    import pygame

    from kiosk.core.view import Bonus, Offer, Screen, View
    from kiosk.display.painter import Painter

    pygame.display.init()
    surface = pygame.display.set_mode(SIZE)
    offer = Offer("https://buy.stripe.com/test_bench", 100, "USD", 2, (Bonus(5, 6),))
    view = View(Screen.READY, offer)
    painter = Painter(SIZE, "Galaxy Patrol")
    painter.draw(surface, view, 0.0)
    area: list[float] = []

    def nothing(_t: float) -> None:
        pygame.display.update([])

    def kiosk(t: float) -> None:
        dirty = painter.draw(surface, view, t)
        area.append(sum(r.width * r.height for r in dirty) / (SIZE[0] * SIZE[1]))
        pygame.display.update(dirty)

    whole = Painter(SIZE, "Galaxy Patrol")
    plain = View(Screen.READY, offer)
    other = View(Screen.READY, offer, notes=(" ",))

    def everything(t: float) -> None:
        # Another view each time, so that every layer is drawn again.
        whole.draw(surface, plain if int(t * 30) % 2 else other, t)
        pygame.display.flip()

    def blit(_t: float) -> None:
        surface.blit(still, (0, 0))
        pygame.display.flip()

    still = surface.copy()
    floor, floor_cpu = _loop(nothing)
    idle, idle_cpu = _loop(kiosk)
    copied, copied_cpu = _loop(blit)
    full, full_cpu = _loop(everything)
    pygame.display.quit()
    return [
        Row("a loop that only flips: CPU", f"{100 * floor_cpu:.2f} %", "1"),
        Row("the kiosk's idle screen: CPU", f"{100 * idle_cpu:.2f} %",
            f"{idle_cpu / floor_cpu:.1f} × floor",
            f"{100 * sum(area) / len(area):.2f} % of the pixels a frame"),
        Row("the finished picture copied whole: CPU", f"{100 * copied_cpu:.2f} %",
            f"{copied_cpu / floor_cpu:.1f} × floor"),
        Row("everything drawn again: CPU", f"{100 * full_cpu:.2f} %",
            f"{full_cpu / floor_cpu:.0f} × floor"),
        Row("frame, only flipped, p50/p95/p99", spread(floor)),
        Row("frame, the kiosk's", spread(idle)),
        Row("frame, copied whole", spread(copied)),
        Row("frame, all drawn again", spread(full)),
    ]  # fmt: skip


def _loop(draw: Callable[[float], None]) -> tuple[list[float], float]:
    """Draws for ``SECONDS``; returns the seconds of each frame and the share of a core."""
    times = []
    begun, cpu = time.monotonic(), time.process_time()
    number = 0
    while (now := time.monotonic()) - begun < SECONDS:
        frame = time.perf_counter()
        draw(now - begun)
        times.append(time.perf_counter() - frame)
        number += 1
        time.sleep(max(0.0, begun + number * FRAME - time.monotonic()))
    return times, (time.process_time() - cpu) / (time.monotonic() - begun)
