"""A view of every screen, and the sizes that they are drawn at."""

from __future__ import annotations

from kiosk.core.view import Bonus, Offer, Screen, View

URL = "https://buy.stripe.com/test_8wM5kC0hQ3Yk7WgcMM"
OFFER = Offer(URL, 100, "USD", 2, (Bonus(5, 6),))
NOTE = "the broker mqtt.example.com:8883 cannot be reached: check the network"

VIEWS = {
    "starting": View(Screen.STARTING),
    "ready": View(Screen.READY, OFFER),
    "ready, two bonuses": View(
        Screen.READY, Offer(URL, 12500, "KRW", 0, (Bonus(5, 6), Bonus(10, 13)))
    ),
    "paying": View(Screen.PAYING),
    "declined": View(Screen.DECLINED, OFFER, message="Your card has insufficient funds."),
    "declined, no offer": View(Screen.DECLINED, message="Your card was declined."),
    "crediting": View(Screen.CREDITING, coin=2, coins=3),
    "crediting many": View(Screen.CREDITING, coin=17, coins=60),
    "playing": View(Screen.PLAYING, OFFER, credits_left=3),
    "playing, no offer": View(Screen.PLAYING, credits_left=12),
    "game over": View(Screen.GAME_OVER, OFFER),
    "game over, no offer": View(Screen.GAME_OVER),
    "offline": View(Screen.OFFLINE, notes=(NOTE,)),
    "out of order": View(Screen.OUT_OF_ORDER, notes=(NOTE, NOTE, NOTE)),
}
SIZES = ((800, 480), (1024, 768), (1280, 720), (1920, 1080), (480, 800), (1080, 1920))
