"""A view of every screen, and the sizes, languages and themes that they are looked at in."""

from __future__ import annotations

import pygame

from kiosk.core.view import Alert, Bonus, Offer, Screen, View
from kiosk.display import theme
from kiosk.display.catalogue import LANGUAGES
from kiosk.display.look import Look
from kiosk.display.renderer import Renderer

URL = "https://buy.stripe.com/test_8wM5kC0hQ3Yk7WgcMM"
OFFER = Offer(URL, 100, "USD", 2, (Bonus(5, 6),))
BROKER = Alert(
    "E3", "the broker mqtt.example.com:8883 cannot be reached: check the network and its name"
)
JOURNAL = Alert(
    "E1",
    "the journal is damaged (entry 17 is no pulse): end the kiosk, and begin a new journal with "
    "`kiosk new-journal`, which keeps this one",
)
TITLE = "Galaxy Racer"

VIEWS = {
    "starting": View(Screen.STARTING),
    "ready": View(Screen.READY, OFFER),
    "ready, two bonuses": View(
        Screen.READY, Offer(URL, 12500, "KRW", 0, (Bonus(5, 6), Bonus(10, 13)))
    ),
    "paying": View(Screen.PAYING, OFFER),
    "paying, no offer": View(Screen.PAYING),
    "declined": View(Screen.DECLINED, OFFER),
    "declined, no offer": View(Screen.DECLINED),
    "given back": View(Screen.DECLINED, OFFER, released=True),
    "crediting": View(Screen.CREDITING, coin=2, coins=3, closed=True),
    "crediting many": View(Screen.CREDITING, coin=17, coins=60),
    "playing": View(Screen.PLAYING, OFFER, credits_left=3),
    "playing, no offer": View(Screen.PLAYING, credits_left=12, alerts=(BROKER,)),
    "game over": View(Screen.GAME_OVER, OFFER),
    "game over, no offer": View(Screen.GAME_OVER),
    "offline": View(Screen.OFFLINE, alerts=(BROKER,)),
    "payment waits": View(Screen.OFFLINE, payment_waits=True, alerts=(BROKER,)),
    "out of order": View(Screen.OUT_OF_ORDER, alerts=(JOURNAL, BROKER)),
    "maintenance": View(Screen.MAINTENANCE),
    "free play": View(Screen.FREE_PLAY),
}
SIZES = (
    (320, 240), (480, 320), (640, 480), (800, 480), (1024, 600), (1280, 1024), (1920, 1080),
    (3840, 1080), (1920, 360), (240, 320), (480, 800), (1080, 1920),
)  # fmt: skip
LOCALES = LANGUAGES
THEMES = theme.SHIPPED


def renderer(
    size: tuple[int, int], name: str = "night", locale: str = "en", **look: object
) -> Renderer:
    """A renderer with a theme and a language."""
    return Renderer(size, TITLE, Look(theme.load(name), (locale,), **look))  # type: ignore[arg-type]


def drawn(on: Renderer, view: View, t: float = 0.0) -> pygame.Surface:
    """A view when its transition is over, requested at ``t`` seconds."""
    surface = pygame.Surface(on.size)
    on.draw(surface, view, t)
    on.draw(surface, view, t + 1)
    # Once more, for what moved during the transition.
    on.draw(surface, view, t + 1)
    return surface
