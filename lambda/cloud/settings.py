"""The cloud's settings, read from its environment. Every mistake is reported at once."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from urllib.parse import SplitResult, parse_qsl, urlsplit


class SettingsError(Exception):
    """The settings cannot be used; the message has one line for each thing that is wrong."""


# EMQX Serverless, of a month: https://docs.emqx.com/en/cloud/latest/price/pricing.html
FREE_SESSION_MINUTES = 1_000_000
SHORTEST_SECRET = 32


@dataclass(frozen=True)
class Times:
    """Seconds. The reasons for the defaults are in ``docs/protocol.md``."""

    deadline: float = 120.0
    heartbeat: float = 300.0
    unsettled: float = 900.0
    abandon_before: float = 24 * 3600.0
    sweep: float = 30.0

    @property
    def silence(self) -> float:
        """A cabinet that was silent for so long takes no payments."""
        return 2 * self.heartbeat


@dataclass(frozen=True)
class Settings:
    """Where everything is, and the secrets. ``public_url`` is where phones reach the API;
    ``payment_methods`` are what the links take, by Stripe's names.

    ``mqtt_url`` is the broker, or the HTTP API of an EMQX deployment.
    ``mqtt_ca_file`` is the certificate that signed the broker's own, empty for the system's list;
    ``mqtt_cabinet_url`` is where cabinets reach the broker, if not where the cloud does;
    ``mqtt_version`` is the MQTT that the cloud speaks. ``presence_secret`` signs what the broker
    says of lost connections; empty if it says nothing. ``emqx_platform_url`` is the API that knows
    whether the deployment runs, ``emqx_session_minutes`` a month's quota, 0 for none.
    """

    ledger: str
    stripe_key: str = field(repr=False)
    webhook_secret: str = field(repr=False)
    mqtt_url: str = field(repr=False)
    public_url: str
    stripe_api_base: str = ""
    mqtt_ca_file: str = ""
    mqtt_cabinet_url: str = ""
    mqtt_version: str = "5"
    presence_secret: str = field(default="", repr=False)
    emqx_platform_url: str = field(default="", repr=False)
    emqx_session_minutes: int = FREE_SESSION_MINUTES
    times: Times = Times()
    payment_methods: tuple[str, ...] = ("card",)

    @property
    def broker_is_emqx_api(self) -> bool:
        """Whether messages go over EMQX's HTTP API, and not over MQTT."""
        return urlsplit(self.mqtt_url).scheme in ("https", "http")


# What a Payment Link can take and Stripe can hold: a player is charged after the coins dropped.
CAN_BE_HELD = (
    "affirm",
    "afterpay_clearpay",
    "alma",
    "billie",
    "card",
    "cashapp",
    "klarna",
    "link",
    "mobilepay",
    "paypal",
    "satispay",
)

_TIMES = {
    "ORDER_DEADLINE_SECONDS": "deadline",
    "HEARTBEAT_SECONDS": "heartbeat",
    "UNSETTLED_SECONDS": "unsettled",
    "GIVE_UP_BEFORE_SECONDS": "abandon_before",
    "SWEEP_SECONDS": "sweep",
}

# Books are kept for ten years at most where the cloud is likely to be used; Stripe keeps the rest.
KEEP_YEARS = 10
_TABLE = re.compile(r"[A-Za-z0-9_.-]{3,255}")
REGION = re.compile(r"[a-z]{2}(-[a-z]+)+-\d")

# Lambda ends a sweep after 55 s, and a call of Stripe that has begun may take 23 s.
_MOST_SECONDS = {"SWEEP_SECONDS": 30}


def from_environment(environment: Mapping[str, str]) -> Settings:
    """Reads the settings, or raises :class:`SettingsError` with all that is wrong."""
    mistakes: list[str] = []

    def need(name: str, what: str) -> str:
        value = environment.get(name, "").strip()
        if not value:
            mistakes.append(f"{name} is not set: {what}")
        return value

    ledger = need(
        "LEDGER",
        "where the orders are kept, as in dynamodb://arcade?region=eu-west-1 or "
        "sqlite:////var/lib/arcade/ledger.db",
    )
    if ledger:
        mistakes += ledger_mistakes("LEDGER", ledger)
    if ledger.startswith("sqlite:") and "AWS_LAMBDA_FUNCTION_NAME" in environment:
        mistakes.append(
            "LEDGER is a SQLite file, which would be lost with the Lambda environment it is in: "
            "take a DynamoDB table, or run the cloud on a machine of its own"
        )
    key = need("STRIPE_KEY", "the secret or restricted key from Stripe's dashboard")
    secret = need("STRIPE_WEBHOOK_SECRET", "the signing secret of the webhook endpoint (whsec_…)")
    broker = need("MQTT_URL", "the broker, as in mqtts://cloud:password@host:8883")
    if broker:
        mistakes += broker_mistakes("MQTT_URL", broker)
    for_cabinets = environment.get("MQTT_CABINET_URL", "").strip()
    if for_cabinets:
        mistakes += _cabinet_broker_mistakes("MQTT_CABINET_URL", for_cabinets)
    elif broker.startswith(("https:", "http:")):
        mistakes.append(
            "MQTT_CABINET_URL is not set: where cabinets reach the deployment, as in "
            "mqtts://host:8883 (EMQX's overview page has it)"
        )
    version = environment.get("MQTT_VERSION", "5").strip()
    if version not in ("5", "3.1.1"):
        mistakes.append("MQTT_VERSION must be 5 or 3.1.1")
    presence = environment.get("PRESENCE_SECRET", "").strip()
    if presence and not re.fullmatch(rf"[A-Za-z0-9_-]{{{SHORTEST_SECRET},}}", presence):
        mistakes.append(
            f"PRESENCE_SECRET must be {SHORTEST_SECRET} or more of a-z A-Z 0-9 _ -, as "
            "`openssl rand -hex 32` prints: it stands in a rule of the broker"
        )
    platform = environment.get("EMQX_PLATFORM_URL", "").strip()
    if platform:
        mistakes += _emqx_mistakes(
            "EMQX_PLATFORM_URL", platform, "https://KEY:SECRET@host/api/deployments/ID"
        )
    minutes = environment.get("EMQX_SESSION_MINUTES", str(FREE_SESSION_MINUTES)).strip()
    if not re.fullmatch("[0-9]{1,12}", minutes):
        mistakes.append("EMQX_SESSION_MINUTES must be a whole number, 0 if there is no quota")
        minutes = "0"
    ca_file = environment.get("MQTT_CA_FILE", "").strip()
    if ca_file:
        mistakes += _ca_file_mistakes("MQTT_CA_FILE", ca_file, broker)
    public = need("PUBLIC_URL", "where phones reach this API, as in https://pay.example.com")
    if public:
        mistakes += web_mistakes("PUBLIC_URL", public, "https://pay.example.com", "receipts")
    stripe = environment.get("STRIPE_API_BASE", "").strip()
    if stripe:
        mistakes += web_mistakes(
            "STRIPE_API_BASE", stripe, "https://api.stripe.com", "the secret key"
        )
    times = _times(environment, mistakes)
    methods = _payment_methods(environment, mistakes)
    if mistakes:
        raise SettingsError("\n".join(mistakes))
    return Settings(
        ledger=ledger,
        stripe_key=key,
        webhook_secret=secret,
        mqtt_url=broker,
        public_url=public.rstrip("/"),
        stripe_api_base=stripe,
        mqtt_ca_file=ca_file,
        mqtt_cabinet_url=for_cabinets,
        mqtt_version=version,
        presence_secret=presence,
        emqx_platform_url=platform,
        emqx_session_minutes=int(minutes),
        times=times,
        payment_methods=methods,
    )


@dataclass(frozen=True)
class Table:
    """A DynamoDB table with the ledger: ``dynamodb://NAME?region=…``, and if need be ``endpoint``,
    another address than AWS's, and ``keep_years``, after which what is over expires (0: never)."""

    name: str
    region: str
    endpoint: str = ""
    keep_years: int = KEEP_YEARS


def table_of(address: str) -> Table:
    """The table that a ledger's address names; raises ValueError unless
    :func:`ledger_mistakes` has nothing against the address."""
    parts = urlsplit(address)
    options = dict(parse_qsl(parts.query, strict_parsing=True))
    years = options.pop("keep_years", str(KEEP_YEARS))
    region, endpoint = options.pop("region"), options.pop("endpoint", "")
    if options or parts.path or parts.fragment or not _TABLE.fullmatch(parts.netloc):
        raise ValueError(address)
    if not (REGION.fullmatch(region) and years.isdecimal() and int(years) <= 100):
        raise ValueError(address)
    return Table(parts.netloc, region, endpoint, int(years))


def ledger_mistakes(name: str, address: str) -> Iterator[str]:
    """What is wrong with the address of a ledger."""
    if address.startswith("sqlite:///"):
        return
    if not address.startswith("dynamodb://"):
        yield f"{name} must begin with dynamodb:// or sqlite:///, the stores there are"
        return
    try:
        table = table_of(address)
    except (ValueError, KeyError):
        yield (
            f"{name} must be like dynamodb://TABLE?region=eu-west-1, with &keep_years=10 (0 for "
            "ever) and &endpoint=https://… if need be"
        )
        return
    if table.endpoint:
        example = "https://dynamodb.eu-west-1.amazonaws.com"
        yield from web_mistakes(f"{name}'s endpoint", table.endpoint, example, "the orders")


def times_of(environment: Mapping[str, str]) -> Times:
    """The times alone, or :class:`SettingsError` with all that is wrong."""
    mistakes: list[str] = []
    times = _times(environment, mistakes)
    if mistakes:
        raise SettingsError("\n".join(mistakes))
    return times


def _payment_methods(environment: Mapping[str, str], mistakes: list[str]) -> tuple[str, ...]:
    words = environment.get("PAYMENT_METHODS", "card").split(",")
    methods = tuple(dict.fromkeys(word.strip().lower() for word in words if word.strip()))
    strange = [method for method in methods if method not in CAN_BE_HELD]
    if strange or not methods:
        mistakes.append(
            f"PAYMENT_METHODS must be names with commas between them, of {', '.join(CAN_BE_HELD)}"
            + (f": {', '.join(strange)} cannot be held and charged later" if strange else "")
        )
    return methods


def is_loopback(host: str) -> bool:
    """Whether ``host`` is this very machine, by its text: no name is looked up."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def broker_mistakes(name: str, url: str) -> Iterator[str]:
    """What is wrong with a broker's address with an account in it, which is never repeated."""
    if url.startswith(("https:", "http:")):
        yield from _emqx_mistakes(name, url, "https://APP-ID:APP-SECRET@host:8443/api/v5")
        return
    address = _address(url, "mqtts", "mqtt")
    if address is None:
        yield (
            f"{name} must be like mqtts://user:password@host:8883, with what is neither letter nor "
            "digit in the password percent-encoded; or EMQX's API, like "
            "https://APP-ID:APP-SECRET@host:8443/api/v5"
        )
        return
    if _in_the_clear(address):
        yield (
            f"{name} must begin with mqtts://: the password must not travel in the clear "
            "(mqtt:// is for a broker on this machine)"
        )
    if not (address.username and address.password):
        yield (
            f"{name} names no account with a password: make one for the cloud at the broker, and "
            "say it as in mqtts://user:password@host:8883"
        )


def _emqx_mistakes(name: str, url: str, example: str) -> Iterator[str]:
    """What is wrong with the address of one of EMQX's APIs, which holds its key."""
    address = _address(url, "https", "http")
    if address is None or not address.path.strip("/") or address.query or address.fragment:
        yield f"{name} must be like {example}"
        return
    if _in_the_clear(address):
        yield f"{name} must begin with https://: the API key must not travel in the clear"
    if not (address.username and address.password):
        yield f"{name} names no API key: make one in EMQX's console, and say it as in {example}"


def _cabinet_broker_mistakes(name: str, url: str) -> Iterator[str]:
    address = _address(url, "mqtts", "mqtt")
    if address is None:
        yield f"{name} must be like mqtts://host:8883"
        return
    if _in_the_clear(address):
        yield (
            f"{name} must begin with mqtts://: the cabinets' passwords must not travel in the clear"
        )
    if address.username is not None:
        yield f"{name} must be without an account: each cabinet has one of its own"


def _ca_file_mistakes(name: str, ca_file: str, broker: str) -> Iterator[str]:
    if broker.startswith("mqtt://"):
        yield f"{name} has no use while MQTT_URL begins with mqtt://: take it away"
        return
    import ssl  # late: most clouds need no such file, and a cold start is short

    try:
        ssl.create_default_context(cafile=ca_file)
    except OSError:
        yield f"{name} names {ca_file}, which is no certificate that can be used (PEM): mend it"


def web_mistakes(name: str, url: str, example: str, secret: str) -> Iterator[str]:
    """What is wrong with an address of the web, over which ``secret`` will travel."""
    address = _address(url, "https", "http")
    if address is None:
        yield f"{name} must be like {example}"
        return
    if address.username is not None or address.query or address.fragment:
        yield f"{name} must be without an account, ? or #, as in {example}"
    if _in_the_clear(address):
        yield (
            f"{name} must begin with https://: {secret} must not travel in the clear "
            "(http:// is for this machine)"
        )


def _address(url: str, *schemes: str) -> SplitResult | None:
    """The parts of an address with a host and one of ``schemes``, or None."""
    try:
        address = urlsplit(url)
        host, _port = address.hostname, address.port
    except ValueError:
        return None
    return address if host and address.scheme in schemes else None


def _in_the_clear(address: SplitResult) -> bool:
    """Whether others can read what goes to ``address``."""
    return address.scheme in ("http", "mqtt") and not is_loopback(address.hostname or "")


def _times(environment: Mapping[str, str], mistakes: list[str]) -> Times:
    times: dict[str, float] = {}
    for name, attribute in _TIMES.items():
        if name in environment:
            try:
                times[attribute] = float(environment[name])
            except ValueError:
                times[attribute] = -1.0
            most = _MOST_SECONDS.get(name, 6 * 24 * 3600)
            if not 1 <= times[attribute] <= most:
                mistakes.append(f"{name} must be a number of seconds from 1 to {most}")
    return Times(**times)
