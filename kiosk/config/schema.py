"""What the cabinet's config file may say: a frozen model for each section.

Their docstrings are the reference, and part of the sentence about a key that is missing.
``assets/kiosk.example.toml`` shows every key with its default.
"""

from __future__ import annotations

import ipaddress
import re
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    StringConstraints,
    ValidationInfo,
    field_validator,
)

from kiosk.core.limits import MOST_PULSES_PER_CREDIT

_MachineId = Annotated[str, StringConstraints(pattern=r"^[a-zA-Z0-9_-]{1,64}$")]
_Text = Annotated[str, StringConstraints(min_length=1)]
_Host = Annotated[str, StringConstraints(pattern=r"^[a-z0-9.:-]{1,253}$")]
_Path = Annotated[Path, Field(strict=False)]
_TIME = "([01][0-9]|2[0-3]):[0-5][0-9]"
_Language = Annotated[
    str, StringConstraints(pattern=r"^(en|es|de|fr|pt|zh|ja|ms)(_[A-Z][A-Za-z]{1,3}){0,2}$")
]


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

    name: _Text = Field(default_factory=lambda data: str(data.get("machine_id", "")))
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
    """whether the connection is encrypted; false only for a broker on this machine"""

    port: int = Field(
        default_factory=lambda data: 8883 if data.get("tls", True) else 1883,
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

    @field_validator("tls")
    @classmethod
    def _only_this_machine_is_without_tls(cls, tls: bool, info: ValidationInfo) -> bool:
        if not tls and not is_loopback(info.data.get("host", "localhost")):
            raise ValueError("should be true: the password must not travel in the clear")
        return tls

    @field_validator("password")
    @classmethod
    def _password_is_not_empty(cls, password: SecretStr) -> SecretStr:
        if not password.get_secret_value().strip():
            raise ValueError(
                "is empty, and whoever knows the username could be this cabinet: copy what "
                "`python -m cloud.admin add` printed"
            )
        return password

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

    pulses_per_credit: int = Field(default=1, ge=1, le=MOST_PULSES_PER_CREDIT)
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
    """``[journal]``: the cabinet's own record of its orders and pulses."""

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
    def _night_cycle_is_a_time(cls, value: str) -> str:
        if value and not re.fullmatch(_TIME, value):
            raise ValueError('should be a time of the day, as "04:00", or empty')
        return value

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
    def _quiet_hours_are_two_times(cls, value: str) -> str:
        if value and not re.fullmatch(f"{_TIME}-{_TIME}", value):
            raise ValueError('should be two times of the day, as "22:00-08:00", or empty')
        return value

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

    after_power_cut: Literal["forgive", "charge"]
    """"forgive" if the game forgets its credits without power, "charge" if it keeps them"""

    forgive_pulses_per_day: int = Field(default=12, ge=0, le=100_000)
    """how many pulses are forgiven in a day at most; those of later power cuts are charged"""

    heartbeat_s: float = Field(default=300.0, ge=10, le=3600)
    """seconds between two reports to the cloud"""

    ask_s: float = Field(default=15.0, ge=1, le=300)
    """seconds between two questions for open orders while the broker is away or someone pays"""


class MirrorConfig(_Section):
    """``[mirror]``: the screen as a web page, to look at from elsewhere."""

    listen: str = ""
    """address and port, like 127.0.0.1:8010 (port 0: any); empty: off"""

    hosts: list[_Host] = Field(default=[])
    """names and addresses, besides this machine's own, that a viewer may open, like cab001.local"""

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
    """``[log]``: how much is logged."""

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


def section_model(name: str) -> type[BaseModel]:
    """The model of the section ``[name]``."""
    model = Config.model_fields[name].annotation
    assert isinstance(model, type)
    assert issubclass(model, BaseModel)
    return model


def keys(section: str) -> dict[str, str]:
    """The keys of a section, each with what it means."""
    fields = section_model(section).model_fields
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
