"""The cabinet's config file: TOML, read once at start. Wrong files are refused whole.

A frozen model for each section; its docstrings are the reference, and what a person is told when
a key is missing. Keys that are not here, wrong types and impossible combinations are all reported
in one go, with line and key. ``assets/kiosk.example.toml`` shows every key with its default.
"""

from __future__ import annotations

import difflib
import ipaddress
import json
import re
import stat
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    StringConstraints,
    ValidationError,
    ValidationInfo,
    field_validator,
)
from pydantic_core import ErrorDetails

from kiosk.errors import KioskError

_REMEDY = "`python -m cloud.admin add` prints one"

_MachineId = Annotated[str, StringConstraints(pattern=r"^[a-zA-Z0-9_-]{1,64}$")]
_Text = Annotated[str, StringConstraints(min_length=1)]
_Path = Annotated[Path, Field(strict=False)]
_TIME = "([01][0-9]|2[0-3]):[0-5][0-9]"
_Language = Annotated[
    str, StringConstraints(pattern=r"^(en|es|de|fr|pt|zh|ja|ms)(_[A-Z][A-Za-z]{1,3}){0,2}$")
]


class ConfigError(KioskError):
    """The config file cannot be used. ``problems`` has a sentence for each thing to mend."""

    def __init__(self, problems: tuple[str, ...]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class _Section(BaseModel):
    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        strict=True,
        allow_inf_nan=False,
        use_attribute_docstrings=True,
        hide_input_in_errors=True,
    )


class CabinetConfig(_Section):
    """``[cabinet]``: which cabinet this is."""

    machine_id: _MachineId
    """1 to 64 of a-z A-Z 0-9 _ -, as the cloud knows it"""

    name: _Text = Field(default_factory=lambda known: str(known.get("machine_id", "")))
    """what the marquee says; the machine_id if not said"""

    mode: Literal["sell", "free play", "maintenance"] = "sell"
    """"sell", "free play" (nobody is charged) or "maintenance" (nobody can pay)"""


class CloudConfig(_Section):
    """``[cloud]``: where the orders are."""

    url: str
    """the address of the API, https:// (http:// only on this machine)"""

    token: SecretStr
    """the cabinet's token, as `python -m cloud.admin add` printed it"""

    timeout_s: float = Field(default=5.0, ge=0.5, le=60)
    """how long a call may take in all, in seconds"""

    @field_validator("url")
    @classmethod
    def _url_is_safe(cls, url: str) -> str:
        try:
            address = urlsplit(url)
            host, _port = address.hostname, address.port
        except ValueError:
            host = None
        if not host or address.scheme not in ("http", "https"):
            raise ValueError("should be an address like https://api.example.com")
        if address.username is not None or address.query or address.fragment:
            raise ValueError("should be an address without an account, ? or #")
        if address.scheme == "http" and not is_loopback(host):
            raise ValueError("should begin with https://: the token must not travel in the clear")
        return url.rstrip("/")

    @field_validator("token")
    @classmethod
    def _token_fits_a_header(cls, token: SecretStr) -> SecretStr:
        if not re.fullmatch("[!-~]{8,512}", token.get_secret_value()):
            raise ValueError("should be 8 to 512 characters without spaces: copy it again")
        return token


class BrokerConfig(_Section):
    """``[broker]``: where the messages come from."""

    host: _Text
    """the name or address of the MQTT broker"""

    tls: bool = True
    """whether the connection is encrypted"""

    port: int = Field(
        default_factory=lambda known: 8883 if known.get("tls", True) else 1883,
        ge=1,
        le=65535,
    )
    """the broker's port; 8883 with tls and 1883 without if not said"""

    ca_file: _Path | None = Field(default=None, validate_default=True)
    """the certificate (PEM) that signed the broker's own; the system's if not said"""

    username: str = ""
    """the broker account; the machine_id if not said"""

    password: SecretStr
    """the broker account's password"""

    keepalive_s: int = Field(default=30, ge=5, le=3600)
    """how soon a dead connection is noticed, in seconds"""

    @field_validator("ca_file")
    @classmethod
    def _ca_file_is_used_and_there(cls, path: Path | None, info: ValidationInfo) -> Path | None:
        if path is None:
            return None
        if info.data.get("tls") is False:
            raise ValueError("has no use while tls = false: take one of them away")
        if not path.is_file():
            raise ValueError(f"names {path}, which is no file")
        return path


class RelayConfig(_Section):
    """``[relay]``: the coin relay. There is no default driver: a kiosk that takes money and
    pulses nothing is the worst one."""

    driver: Literal["simulated", "gpio"]
    """"gpio" for the relay of a cabinet, "simulated" to only record what a relay would do"""

    pin: int | None = Field(default=None, validate_default=True)
    """the BCM number of the relay's pin, 9 to 27 (gpio needs it)"""

    active_high: bool = True
    """whether the relay closes when the pin is high"""

    pulses_per_credit: int = Field(default=1, ge=1, le=100)
    """how many coin pulses the game wants for a play"""

    on_ms: int = Field(default=100, ge=20, le=2000)
    """how long the relay is closed for a pulse, in milliseconds"""

    off_ms: int = Field(default=400, ge=50, le=5000)
    """how long it is open between two pulses, in milliseconds"""

    record: _Path | None = None
    """a file that the simulated relay appends its edges to, as lines of JSON"""

    @field_validator("pin")
    @classmethod
    def _pin_is_quiet_at_boot(cls, pin: int | None, info: ValidationInfo) -> int | None:
        if pin is None:
            if info.data.get("driver") == "gpio":
                raise ValueError('is missing: driver = "gpio" needs the relay\'s BCM number, 9–27')
            return None
        if 0 <= pin <= 8:
            raise ValueError(
                f"should be 9 to 27, not {pin}: pins 0 to 8 are pulled high at power-up, and the "
                "relay would give a credit away"
            )
        if not 9 <= pin <= 27:
            raise ValueError(f"should be a BCM number, 9 to 27, not {pin}")
        return pin

    @field_validator("record")
    @classmethod
    def _only_the_simulated_relay_records(
        cls, path: Path | None, info: ValidationInfo
    ) -> Path | None:
        if path is not None and info.data.get("driver") == "gpio":
            raise ValueError('is for driver = "simulated" only: take it away')
        return path


class JournalConfig(_Section):
    """``[journal]``: the cabinet's own book."""

    path: _Path = Path("/var/lib/arcade-kiosk/journal.db")
    """the file, in a folder that survives a power cut"""


class ScreenConfig(_Section):
    """``[screen]``: what the player looks at."""

    fullscreen: bool = True
    """whether the kiosk takes the whole display"""

    width: int | None = Field(default=None, ge=240, le=7680)
    """pixels; the display's own if not said"""

    height: int | None = Field(default=None, validate_default=True, ge=240, le=7680)
    """pixels; the display's own if not said"""

    headless: bool = False
    """whether the screen is only drawn in memory, for tests and for the mirror"""

    display: int = Field(default=0, ge=0, le=9)
    """the number of the screen, for a topper beside the game's own, counted from 0"""

    rotation: Literal[0, 90, 180, 270] = 0
    """how far the picture is turned clockwise, in degrees: 0, 90, 180 or 270"""

    overscan: float = Field(default=0.0, ge=0, le=15)
    """percent of each side that the screen's case hides, 0 to 15"""

    theme: _Text = "night"
    """a theme that is shipped, "night", "daylight" or "vector", or the folder of your own"""

    languages: list[_Language] = Field(default=["en"], min_length=1)
    """en, es, de, fr, pt, zh, ja, ms, with a territory where money differs, as in es_MX"""

    language_s: float = Field(default=12.0, ge=4, le=3600)
    """seconds that each of several languages is shown, 4 to 3600"""

    reduced_motion: bool = False
    """whether only what tells something moves"""

    logo: _Path | None = None
    """a picture for the marquee, instead of the cabinet's name"""

    reel: _Path | None = None
    """a folder of pictures that take turns with the words of the attract screen"""

    reel_s: float = Field(default=8.0, ge=3, le=3600)
    """seconds that a picture of the reel is shown, 3 to 3600"""

    reel_every_s: float = Field(default=30.0, ge=5, le=86400)
    """seconds of the attract screen between two pictures of the reel, 5 to 86400"""

    night_cycle: str = "04:00"
    """when the screen shows two minutes of plain colours against burn-in; empty: never"""

    quiet_s: float = Field(default=180.0, ge=10, le=86400)
    """seconds without a game over or a pulse after which credits left are forgotten"""

    @field_validator("height")
    @classmethod
    def _width_and_height_together(cls, height: int | None, info: ValidationInfo) -> int | None:
        if "width" in info.data and (info.data["width"] is None) != (height is None):
            raise ValueError("and width go together: say both or neither")
        return height

    @field_validator("night_cycle")
    @classmethod
    def _night_cycle_is_a_time(cls, told: str) -> str:
        if told and not re.fullmatch(_TIME, told):
            raise ValueError('should be a time of the day, as "04:00", or empty')
        return told

    @property
    def night_minute(self) -> int | None:
        """The minute of the day in which the nightly cycle begins, or None for never."""
        return _minute(self.night_cycle) if self.night_cycle else None


class SoundConfig(_Section):
    """``[sound]``: what the player hears."""

    mute: bool = False
    """whether the kiosk makes no sound at all"""

    volume: int = Field(default=70, ge=0, le=100)
    """how loud, 0 to 100"""

    quiet_hours: str = ""
    """when only coins and payments are heard, and softly, as "22:00-08:00"; empty: never"""

    attract_every_s: float = Field(default=300.0, ge=0, le=86400)
    """seconds between two jingles of the attract screen, 0 for none"""

    @field_validator("quiet_hours")
    @classmethod
    def _quiet_hours_are_two_times(cls, told: str) -> str:
        if told and not re.fullmatch(f"{_TIME}-{_TIME}", told):
            raise ValueError('should be two times of the day, as "22:00-08:00", or empty')
        return told

    @property
    def quiet_minutes(self) -> tuple[int, int] | None:
        """The minutes of the day in which quiet begins and ends, or None."""
        if not self.quiet_hours:
            return None
        begin, _, end = self.quiet_hours.partition("-")
        return _minute(begin), _minute(end)


class RulesConfig(_Section):
    """``[rules]``: what the operator decides."""

    resume_window_s: float = Field(default=300.0, ge=0, le=86400)
    """seconds after which an order interrupted by a crash is settled, and not gone on with"""

    charge_ambiguous: bool = False
    """whether a pulse that began before a crash, and may have been made, is charged"""

    after_power_cut: Literal["forgive", "charge"] = "forgive"
    """what becomes of pulses made before the machine lost power, which the game forgot with it"""

    heartbeat_s: float = Field(default=300.0, ge=10, le=3600)
    """seconds between two reports to the cloud"""

    ask_s: float = Field(default=15.0, ge=1, le=300)
    """seconds between two questions for open orders while the broker is away or someone pays"""


class MirrorConfig(_Section):
    """``[mirror]``: the screen as a web page, to look at from elsewhere."""

    listen: str = ""
    """address and port, like 127.0.0.1:8010 (port 0: any); empty: off"""

    @field_validator("listen")
    @classmethod
    def _listen_is_an_address(cls, listen: str) -> str:
        if listen and _host_and_port(listen) is None:
            raise ValueError("should be an address and a port, like 127.0.0.1:8010, or empty")
        return listen

    @property
    def address(self) -> tuple[str, int] | None:
        """Host and port, or None if the mirror is off."""
        return _host_and_port(self.listen)


class LogConfig(_Section):
    """``[log]``: how much is told."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    """debug, info, warning or error"""


class Config(_Section):
    """The whole file."""

    cabinet: CabinetConfig
    cloud: CloudConfig
    broker: BrokerConfig
    relay: RelayConfig
    journal: JournalConfig
    screen: ScreenConfig
    sound: SoundConfig
    rules: RulesConfig
    mirror: MirrorConfig
    log: LogConfig


def load(path: Path) -> Config:
    """The config in the file ``path``; raises :class:`ConfigError` with all that is wrong."""
    text = _read(path)
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError((_syntax(path, str(error)),)) from None
    # A section left out is an empty one, so that each key that it lacks is named.
    data = {name: {} for name in Config.model_fields} | data
    try:
        return Config.model_validate(data)
    except ValidationError as error:
        places = dict(_places(text))
        problems = sorted(
            (_line(places, detail["loc"]), _sentence(detail))
            for detail in error.errors(include_url=False)
            # A default that follows from another key, which is reported itself.
            if detail["type"] != "default_factory_not_called"
        )
        raise ConfigError(
            tuple(
                f"{path}:{line}: {told}" if line else f"{path}: {told}" for line, told in problems
            )
        ) from None  # pydantic's own text would show values


def warnings(path: Path, config: Config) -> tuple[str, ...]:
    """What an operator should mend, although the kiosk runs: a sentence each."""
    found = []
    if path.stat().st_mode & (stat.S_IRGRP | stat.S_IROTH):
        found.append(
            f"{path} holds secrets and others on this machine may read it: chmod 600 {path}"
        )
    if not config.broker.tls and not is_loopback(config.broker.host):
        found.append(
            "the broker's password travels in the clear: set tls = true in [broker], "
            "or keep the network between them to yourself"
        )
    return tuple(found)


def summary(config: Config) -> str:
    """The config with its defaults and without its secrets, a line for each key."""
    lines = []
    for name, section in config.model_dump(mode="json").items():
        lines.append(f"[{name}]")
        lines += [f"{key} = {value}" for key, value in section.items() if value is not None]
    return "\n".join(lines)


def keys(section: str) -> dict[str, str]:
    """The keys of a section, each with what it means."""
    fields = _model(section).model_fields
    return {key: field.description or "" for key, field in fields.items()}


def is_loopback(host: str) -> bool:
    """Whether ``host`` is this very machine."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _host_and_port(listen: str) -> tuple[str, int] | None:
    host, colon, port = listen.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not (host and colon and re.fullmatch("[0-9]{1,5}", port)) or int(port) > 65535:
        return None
    return host, int(port)


def _minute(time: str) -> int:
    """The minute of the day of a time like 04:00."""
    hours, _, minutes = time.partition(":")
    return int(hours) * 60 + int(minutes)


def _read(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8")
    except FileNotFoundError:
        problem = f"there is no config file {path}: {_REMEDY}"
    except IsADirectoryError:
        problem = f"{path} is a folder: name the config file in it"
    except PermissionError:
        problem = f"{path} may not be read by this user: make the kiosk's user its owner"
    except UnicodeDecodeError:
        problem = f"{path} is not a text file (UTF-8): {_REMEDY}"
    except OSError as error:
        problem = f"{path} cannot be read: {error.strerror}"
    raise ConfigError((problem,))


def _syntax(path: Path, told: str) -> str:
    """tomllib's message, its place in front."""
    found = re.fullmatch(
        r"(.*) \(at (?:line (\d+), column (\d+)|end of document)\)", told, re.DOTALL
    )
    if not found:
        return f"{path}: this is not TOML: {told}"
    what, line, column = found.groups()
    place = f":{line}:{column}" if line else ""
    return f"{path}{place}: this is not TOML: {what[:1].lower()}{what[1:]}"


def _places(text: str) -> Iterator[tuple[tuple[str, ...], int]]:
    """Where sections and keys stand, as far as they are written plainly: (section, key) to line."""
    section: tuple[str, ...] = ()
    for number, line in enumerate(text.splitlines(), start=1):
        if head := re.match(r"""\s*\[\s*["']?([\w-]+)["']?\s*\]""", line):
            section = (head[1],)
            yield section, number
        elif key := re.match(r"""\s*["']?([\w-]+)["']?\s*=""", line):
            yield (*section, key[1]), number
        elif dotted := re.match(r"\s*([\w-]+)\s*\.\s*([\w-]+)\s*=", line):
            yield (*section, dotted[1], dotted[2]), number


def _line(places: Mapping[tuple[str, ...], int], loc: tuple[int | str, ...]) -> int:
    """The line of a key, or else of its section, or 0."""
    names = tuple(str(part) for part in loc)
    return places.get(names[:2]) or places.get(names[:1]) or 0


def _sentence(detail: ErrorDetails) -> str:
    """One plain sentence about one problem."""
    section, *names = (str(part) for part in detail["loc"])
    if not names:
        return _section_sentence(section, detail["type"])
    key = names[0]
    if detail["type"] == "extra_forbidden":
        return f"[{section}] has no setting {key}{_meant(key, section)}"
    return f"[{section}] {key} {_complaint(detail, section, key)}"


def _complaint(detail: ErrorDetails, section: str, key: str) -> str:
    """What is wrong with a key's value; a secret one is not shown."""
    meaning = keys(section)[key]
    match detail["type"]:
        case "missing":
            return f"is missing: {meaning}"
        case "string_too_short":
            return f"is empty: {meaning}"
        case "value_error":  # our own sentence
            return detail["msg"].removeprefix("Value error, ")
        case "string_pattern_mismatch":
            told = f"should be {meaning}"
        case _:
            told = detail["msg"].removeprefix("Input ")
    if _model(section).model_fields[key].annotation is SecretStr:
        return told
    return f"{told}, not {_short(detail['input'])}"


def _section_sentence(section: str, kind: str) -> str:
    if kind != "extra_forbidden":
        return f"{section} should be a section, [{section}], with keys of its own"
    homes = [name for name in Config.model_fields if section in _model(name).model_fields]
    if homes:
        return f"{section} stands outside its section: put it below [{homes[0]}]"
    near = difflib.get_close_matches(section, Config.model_fields, n=1)
    return f"there is no section [{section}]{_did_you_mean(near)}"


def _meant(key: str, section: str) -> str:
    near = difflib.get_close_matches(key, _model(section).model_fields, n=1)
    homes = [name for name in Config.model_fields if key in _model(name).model_fields]
    if homes and not near:
        return f": it belongs below [{homes[0]}]"
    return _did_you_mean(near)


def _did_you_mean(near: list[str]) -> str:
    return f": did you mean {near[0]}?" if near else ": take it away"


def _model(section: str) -> type[BaseModel]:
    model = Config.model_fields[section].annotation
    assert isinstance(model, type)
    assert issubclass(model, BaseModel)
    return model


def _short(value: object) -> str:
    """A value as the file would write it, cut to what fits a line."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str | int | float):
        # A JSON string is a TOML string.
        told = json.dumps(value, ensure_ascii=False) if isinstance(value, str) else str(value)
        return told if len(told) <= 40 else f"{told[:39]}…"
    return "a list" if isinstance(value, list) else "something else"
