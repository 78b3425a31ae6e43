"""Builds the kiosk from its config and runs it: the one place that knows which parts there are.

Threads: the screen has the main one and the engine its own; all others only put events into the
engine's inbox, or work on what the screen shows. docs/architecture.md lists them.
"""

from __future__ import annotations

import logging
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from kiosk import __version__, hardware
from kiosk.adapters import clock
from kiosk.adapters.broker import Broker
from kiosk.adapters.cloud_client import CloudClient
from kiosk.config.schema import Config, RelayConfig, SoundConfig
from kiosk.core import watchdog
from kiosk.core.cabinet.rules import Mode, Rules
from kiosk.core.view import View
from kiosk.display import reel, theme
from kiosk.display.look import Look
from kiosk.display.mirror import Mirror
from kiosk.display.reel import Reel
from kiosk.display.shots import Shots
from kiosk.display.sounds import Sounds
from kiosk.display.theme import Theme, ThemeError
from kiosk.display.window import Feed, Frame, Mounting, OnFrame, Window
from kiosk.engine import Engine, Inbox
from kiosk.errors import KioskError
from kiosk.hardware import Relay
from kiosk.journal import store
from kiosk.journal.store import Journal

log = logging.getLogger(__name__)


def journal_at(path: Path) -> Journal:
    """The journal in the file ``path``, not opened yet, with this machine's clocks."""
    return Journal(path, lambda: (store.boot_id(), time.monotonic(), time.time()))


def run(
    config: Config,
    shots: Path | None = None,
    make_journal: Callable[[Path], Journal] = journal_at,
    make_relay: Callable[[RelayConfig, Callable[[], float]], Relay] = hardware.build,
) -> int:
    """Runs the kiosk until SIGTERM, SIGINT, or its window is closed; returns the exit status.

    That is 1 if the cabinet was out of order in the end, so that whoever ended it knows. ``shots``
    is a folder for a picture of every screen. Raises :class:`KioskError`.
    """
    started_at = time.monotonic()
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    signal.signal(signal.SIGINT, lambda *_: stop.set())
    rules = rules_of(config)
    # The engine and the parts that report to it need each other: its inbox comes first.
    inbox = Inbox()
    journal = make_journal(config.journal.path)
    broker = Broker(config.broker, rules.machine_id, inbox.put)
    cloud = CloudClient(config.cloud, rules.machine_id, inbox.put)
    engine = Engine(
        inbox=inbox,
        rules=rules,
        on_s=config.relay.on_ms / 1000,
        journal=journal,
        make_relay=lambda: make_relay(config.relay, time.monotonic),
        broker=broker,
        cloud=cloud,
        clock=clock.SystemClock(),
        new_id=clock.new_id,
        jitter=clock.jitter,
        on_view_change=lambda: feed.put(engine.view),
    )
    feed = Feed(engine.view, watchdog_over(engine, config.relay.on_ms / 1000))
    with ExitStack() as parts:
        window = _open_screen(config, engine, shots, parts)
        window.watch(_log_first_code(started_at))
        parts.callback(journal.close)
        cloud.start()
        parts.callback(cloud.stop)
        broker.start()
        parts.callback(broker.stop)
        parts.enter_context(_running(engine, stop))
        window.run(feed, stop)
    return 1 if engine.state.journal.problem or engine.state.relay.problem else 0


@contextmanager
def _running(engine: Engine, stop: threading.Event) -> Iterator[None]:
    """The engine in a thread of its own. If it fails, ``stop`` is set, and KioskError raised."""
    failures: list[BaseException] = []

    def run_engine() -> None:
        try:
            engine.run()
        except BaseException as error:  # noqa: BLE001 – handed to the main thread, which raises it
            failures.append(error)
        finally:
            stop.set()

    thread = threading.Thread(target=run_engine, name="engine")
    thread.start()
    try:
        yield
    finally:
        engine.stop()
        thread.join()
    for failure in failures:
        raise KioskError(
            f"the kiosk stopped on a defect ({failure!r}): start it again, and send its log"
        ) from failure


def _open_screen(config: Config, engine: Engine, shots: Path | None, parts: ExitStack) -> Window:
    """The window, and all that watches it, started; ``parts`` stops them."""
    look = _theme(config.screen.theme)
    pictures = Reel(config.screen.reel) if config.screen.reel else None
    if pictures:
        pictures.start()
    window = _window(config, look, pictures)
    window.open()
    parts.callback(window.close)
    if config.sound.volume and not (config.sound.mute or config.screen.headless):
        sounds = _sounds(config.sound, look)
        sounds.start()
        parts.callback(sounds.stop)
        window.watch(sounds.on_frame)
    if shots:
        screenshots = Shots(shots)
        screenshots.open()
        parts.callback(screenshots.save)
        window.watch(screenshots.on_frame)
    if config.mirror.address:
        mirror = Mirror(
            *config.mirror.address,
            lambda: {"pulses_made": engine.pulses_made},
            config.mirror.hosts,
        )
        mirror.start()
        parts.callback(mirror.stop)
        window.watch(mirror.on_frame)
    return window


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
        forgive_per_day=config.rules.forgive_pulses_per_day,
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


def _window(config: Config, look: Theme, pictures: Reel | None) -> Window:
    screen = config.screen
    return Window(
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


def _sounds(settings: SoundConfig, look: Theme) -> Sounds:
    return Sounds(
        dict(look.sounds),
        settings.volume / 100,
        settings.quiet_minutes,
        settings.attract_every_s,
    )


def watchdog_over(engine: Engine, longest_pulse_s: float) -> Callable[[View], View]:
    """What the screen's feed shows instead of a view once the engine is stuck, and logs it."""
    stuck = False

    def watch(view: View) -> View:
        nonlocal stuck
        shown = watchdog.watched(view, engine.busy_s, longest_pulse_s)
        if stuck is not (stuck := shown is not view):
            if stuck:
                log.error("%s", watchdog.STUCK.text)
            else:
                log.info("the kiosk goes on")
        return shown

    return watch


def _log_first_code(started_at: float) -> OnFrame:
    """Logs how long the start took until a player could scan."""
    waiting = True

    def on_frame(frame: Frame) -> None:
        nonlocal waiting
        if waiting and frame.code is not None:
            waiting = False
            log.info("first code on the screen after %.3f s", time.monotonic() - started_at)

    return on_frame
