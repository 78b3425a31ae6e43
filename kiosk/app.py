"""Builds the kiosk from its config and runs it: the one place that knows which parts there are.

Threads: the screen has the main one, the engine its own; the broker's and the cloud's threads only
put events into the engine's queue.
"""

from __future__ import annotations

import logging
import os
import signal
import threading
import time
from pathlib import Path

from kiosk import __version__, dying, hardware
from kiosk.adapters import clock
from kiosk.adapters.broker import Broker
from kiosk.adapters.cloud_client import CloudClient
from kiosk.config.schema import Config
from kiosk.core.cabinet.rules import Mode, Rules
from kiosk.display import reel, theme
from kiosk.display.look import Look
from kiosk.display.mirror import Mirror
from kiosk.display.shots import Shots
from kiosk.display.sounds import Sounds
from kiosk.display.theme import Theme, ThemeError
from kiosk.display.window import Feed, Frame, Mounting, OnFrame, Window
from kiosk.engine import Engine, Inbox
from kiosk.errors import KioskError
from kiosk.journal import store

log = logging.getLogger(__name__)


def run(config: Config, shots: Path | None = None) -> int:
    """Runs the kiosk until SIGTERM, SIGINT, or its window is closed; returns the exit status.

    That is 1 if the cabinet was out of order in the end, so that whoever ended it hears of it.
    """
    begun = time.monotonic()
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    signal.signal(signal.SIGINT, lambda *_: stop.set())
    rules = rules_of(config)
    book = store.Journal(
        config.journal.path, lambda: (store.boot_id(), time.monotonic(), time.time())
    )
    fate = dying.fate(os.environ)

    def make_relay() -> hardware.Relay:
        relay = hardware.build(config.relay, time.monotonic)
        return dying.MortalRelay(relay, fate) if fate else relay

    # The engine and those who tell it things need each other: its queue is there first.
    inbox = Inbox()
    broker = Broker(config.broker, rules.machine_id, inbox.put)
    client = CloudClient(config.cloud, rules.machine_id, inbox.put)
    engine = Engine(
        inbox=inbox,
        rules=rules,
        on_s=config.relay.on_ms / 1000,
        journal=dying.MortalBook(book, fate) if fate else book,
        make_relay=make_relay,
        broker=broker,
        cloud=client,
        clock=clock.SystemClock(),
        new_id=clock.new_id,
        jitter=clock.jitter,
        on_view_change=lambda: feed.put(engine.view),
    )
    feed = Feed(engine.view)
    window_theme = _theme(config.screen.theme)
    window = _window(config, window_theme)
    pictures = Shots(shots) if shots else None
    if pictures:
        pictures.open()
        window.watch(pictures.on_frame)
    mirror = _mirror(config, engine)
    if mirror:
        window.watch(mirror.on_frame)
    sounds = _sounds(config, window_theme)
    if sounds:
        window.watch(sounds.on_frame)
    window.watch(_first_code(begun))
    failure: list[BaseException] = []

    def drive() -> None:
        try:
            engine.run()
        except BaseException as error:  # noqa: BLE001 – handed to the main thread, which raises it
            failure.append(error)
        finally:
            stop.set()

    thread = threading.Thread(target=drive, name="engine")
    thread.start()
    broker.start()
    try:
        window.run(feed, stop)
    finally:
        engine.stop()
        thread.join()
        broker.stop()
        client.stop()
        book.close()
        if mirror:
            mirror.stop()
        if pictures:
            pictures.save()
        if sounds:
            sounds.stop()
        window.close()
    if failure:
        raise KioskError(
            f"the kiosk stopped on a defect ({failure[0]!r}): start it again, and send its log"
        ) from failure[0]
    return 1 if engine.state.journal.problem or engine.state.relay.problem else 0


def rules_of(config: Config) -> Rules:
    """What the operator decided, as the rules take it."""
    return Rules(
        machine_id=config.cabinet.machine_id,
        mode=Mode(config.cabinet.mode),
        pulses_per_credit=config.relay.pulses_per_credit,
        off_s=config.relay.off_ms / 1000,
        resume_window_s=config.rules.resume_window_s,
        charge_ambiguous=config.rules.charge_ambiguous,
        forgive_lost=config.rules.after_power_cut == "forgive",
        heartbeat_s=config.rules.heartbeat_s,
        ask_s=config.rules.ask_s,
        quiet_s=config.screen.quiet_s,
        version=__version__,
    )


def _theme(name: str) -> Theme:
    """The operator's theme, or the default one if that cannot be used."""
    try:
        return theme.load(name)
    except ThemeError as error:
        for line in str(error).splitlines():
            log.error("%s; the theme %s is shown instead", line, theme.DEFAULT)
        return theme.load(theme.DEFAULT)


def _window(config: Config, look: Theme) -> Window:
    screen = config.screen
    pictures = reel.Reel(screen.reel) if screen.reel else None
    if pictures:
        pictures.start()
    window = Window(
        config.cabinet.name,
        Mounting(
            size=(screen.width, screen.height) if screen.width and screen.height else None,
            fullscreen=screen.fullscreen,
            headless=screen.headless,
            display=screen.display,
            rotation=screen.rotation,
            overscan=screen.overscan,
        ),
        Look(
            theme=look,
            languages=tuple(screen.languages),
            language_s=screen.language_s,
            reduced_motion=screen.reduced_motion,
            logo=reel.logo(screen.logo),
            reel=pictures.pictures if pictures else tuple,
            reel_s=screen.reel_s,
            reel_every_s=screen.reel_every_s,
        ),
        screen.night_minute,
    )
    window.open()
    return window


def _sounds(config: Config, look: Theme) -> Sounds | None:
    if config.sound.mute or config.sound.volume == 0 or config.screen.headless:
        return None
    sounds = Sounds(
        dict(look.sounds),
        config.sound.volume / 100,
        config.sound.quiet_minutes,
        config.sound.attract_every_s,
    )
    sounds.start()
    return sounds


def _first_code(begun: float) -> OnFrame:
    """Logs how long the start took until a player could scan."""
    waiting = True

    def on_frame(frame: Frame) -> None:
        nonlocal waiting
        if waiting and frame.code is not None:
            waiting = False
            log.info("first code on the screen after %.3f s", time.monotonic() - begun)

    return on_frame


def _mirror(config: Config, engine: Engine) -> Mirror | None:
    if config.mirror.address is None:
        return None
    host, port = config.mirror.address
    mirror = Mirror(host, port, lambda: {"pulses_made": engine.pulses_made})
    mirror.start()
    return mirror
