"""The config file: what it may say, and how it is told all that is wrong with it."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from pydantic import ValidationError

from kiosk.config import loader, schema
from kiosk.config.errors import ConfigError
from kiosk.config.schema import Config

EXAMPLE = Path(__file__).parents[2] / "assets" / "kiosk.example.toml"
TOKEN = "token-0123456789-secret"

SMALLEST = f"""\
[cabinet]
machine_id = "cab001"
[cloud]
url = "https://api.example.com"
token = "{TOKEN}"
[broker]
host = "mqtt.example.com"
password = "pass-the-word"
[relay]
driver = "simulated"
[rules]
after_power_cut = "forgive"
"""

Write = Callable[[str], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes a config file that only its owner may read."""

    def make(text: str) -> Path:
        path = tmp_path / "kiosk.toml"
        path.touch(mode=0o600)
        path.write_text(text, encoding="utf-8")
        return path

    return make


def changed(section: str, line: str) -> str:
    """The smallest file with a line more, in place of the same key's."""
    key = line.partition("=")[0]
    kept = re.sub(rf"(?m)^{re.escape(key)}= .*\n", "", SMALLEST) if key.strip() else SMALLEST
    if f"[{section}]\n" in kept:
        return kept.replace(f"[{section}]\n", f"[{section}]\n{line}\n")
    return f"{kept}[{section}]\n{line}\n"


def problems(path: Path) -> tuple[str, ...]:
    with pytest.raises(ConfigError) as caught:
        loader.load(path)
    assert str(caught.value) == "\n".join(caught.value.problems)
    return caught.value.problems


def only_problem(path: Path) -> str:
    """The one problem of the file, its place left out."""
    (found,) = problems(path)
    assert found.startswith(str(path))
    return found.partition(": ")[2]


def test_what_is_not_said_has_its_default(write: Write) -> None:
    found = loader.load(write(SMALLEST))
    assert found.cabinet.name == "cab001"
    assert found.cloud.timeout_s == 5.0
    assert found.broker.tls
    assert (found.broker.port, found.broker.username, found.broker.ca_file) == (8883, "", None)
    assert (found.relay.pulses_per_credit, found.relay.on_ms, found.relay.off_ms) == (1, 100, 400)
    assert found.relay.active_high
    assert found.journal.path == Path("/var/lib/arcade-kiosk/journal.db")
    assert found.screen.fullscreen
    assert not found.screen.headless
    assert (found.screen.width, found.screen.height, found.screen.quiet_s) == (None, None, 180)
    assert not found.rules.charge_ambiguous
    assert (found.rules.resume_window_s, found.rules.heartbeat_s, found.rules.ask_s) == (
        300,
        300,
        15,
    )
    assert (found.cabinet.mode, found.screen.theme, found.screen.languages) == (
        "sell",
        "night",
        ["en"],
    )
    assert (found.screen.night_minute, found.sound.quiet_minutes) == (240, None)
    assert found.mirror.address is None
    assert found.log.level == "info"


def test_without_tls_the_port_is_the_plain_one(write: Write) -> None:
    here = changed("broker", "tls = false").replace("mqtt.example.com", "127.0.0.1")
    assert loader.load(write(here)).broker.port == 1883


def test_the_example_says_every_key_and_its_default(write: Write) -> None:
    text = EXAMPLE.read_text()
    example = loader.load(write(text))
    shown = dict(re.findall(r"(?m)^# (\w+) = .*?()$", text)) | dict(
        re.findall(r"(?m)^(\w+) = .*?()$", text)
    )
    keys = [key for name in Config.model_fields for key in schema.keys(name)]
    assert sorted(shown) == sorted(set(keys))

    # Taken at its word, a key behind a # changes nothing; these have no default to show.
    free = ("ca_file", "record", "width", "height", "logo", "reel")
    spelled = re.sub(rf"(?m)^# (?!{'|'.join(free)})(\w+ = )", r"\1", text)
    assert spelled.count("\n# ") < text.count("\n# ")
    assert loader.load(write(spelled)) == example

    smallest = loader.load(write(SMALLEST))
    for name in ("journal", "screen", "sound", "rules", "mirror", "log"):
        assert getattr(example, name) == getattr(smallest, name)


def test_what_has_no_default_to_show_is_shown_as_the_file_may_say_it(
    write: Write, tmp_path: Path
) -> None:
    ca_file = tmp_path / "ca.pem"
    ca_file.touch()
    text = EXAMPLE.read_text().replace("/etc/arcade-kiosk/ca.pem", str(ca_file))
    text = text.replace('driver = "gpio"', 'driver = "simulated"')
    free = r"(?m)^# (ca_file|record|width|height|logo|reel)( = )"
    found = loader.load(write(re.sub(free, r"\1\2", text)))
    assert (found.screen.logo, found.screen.reel) == (
        Path("/etc/arcade-kiosk/logo.png"),
        Path("/etc/arcade-kiosk/reel"),
    )
    assert found.broker.ca_file == ca_file
    assert found.relay.record
    assert (found.screen.width, found.screen.height) == (1920, 1080)


def test_the_file_of_cloud_admin_is_understood(write: Write, tmp_path: Path) -> None:
    from cloud.cli import cabinet_config

    for journal_dir in (None, tmp_path):
        around = cabinet_config.at_broker(
            "mqtt://127.0.0.1:41883", "http://127.0.0.1:8000", "cab001", "a b\\c\"d'é", journal_dir
        )
        found = loader.load(
            write(cabinet_config.text("cab001", 'The "Cave"', TOKEN, "forgive", around))
        )
        assert found.cabinet.name == 'The "Cave"'
        assert found.broker.port == 41883
        assert found.broker.password.get_secret_value() == "a b\\c\"d'é"
        assert found.relay.driver == ("gpio" if journal_dir is None else "simulated")


def test_all_that_is_wrong_is_told_at_once_with_its_line(write: Write) -> None:
    path = write(
        """\
machine_id = "cab001"

[cabinet]
machine_id = "cab 001"

[cloud]
url = "http://api.example.com"
tokn = "token-0123456789-secret"

[broker]
host = "mqtt.example.com"
port = "8883"
password = "pass-the-word"

[relay]
driver = "gpio"
on_ms = 5
off_ms = 9000

[screen]
width = 640

[mirrors]
listen = ""

[rules]
after_power_cut = "forgive"
"""
    )
    assert problems(path) == tuple(
        f"{path}:{told}"
        for told in (
            "1: machine_id stands outside its section: put it below [cabinet]",
            "4: [cabinet] machine_id should be 1 to 64 of a-z A-Z 0-9 _ -, as the cloud knows it,"
            ' not "cab 001"',
            "6: [cloud] token is missing: the cabinet's token, as `python -m cloud.admin add`"
            " printed it",
            "7: [cloud] url should begin with https://: the token must not travel in the clear",
            "8: [cloud] has no setting tokn: did you mean token?",
            '12: [broker] port should be a valid integer, not "8883"',
            '15: [relay] pin is missing: driver = "gpio" needs the relay\'s BCM number, 9–27',
            "17: [relay] on_ms should be greater than or equal to 20, not 5",
            "18: [relay] off_ms should be less than or equal to 5000, not 9000",
            "20: [screen] height and width go together: say both or neither",
            "23: there is no section [mirrors]: did you mean mirror?",
        )
    )


def test_an_empty_file_is_told_all_that_it_lacks(write: Write) -> None:
    told = "\n".join(problems(write("")))
    for missing in (
        "[cabinet] machine_id",
        "[cloud] url",
        "[cloud] token",
        "[broker] host",
        "[broker] password",
        "[relay] driver",
        "[rules] after_power_cut",
    ):
        assert f"{missing} is missing: " in told
    assert told.count("\n") == 6


def test_what_a_power_cut_costs_is_the_operators_to_say(write: Write) -> None:
    told = only_problem(write(SMALLEST.replace('after_power_cut = "forgive"\n', "")))
    assert told.startswith("[rules] after_power_cut is missing: ")
    assert '"forgive" if the game forgets its credits' in told
    assert '"charge" if it keeps them' in " ".join(told.split())


def test_a_key_in_the_wrong_section_is_sent_to_its_own(write: Write) -> None:
    path = write(changed("cabinet", 'keepalive_s = "x"'))
    assert only_problem(path) == "[cabinet] has no setting keepalive_s: it belongs below [broker]"


def test_a_key_like_no_other_is_to_be_taken_away(write: Write) -> None:
    path = write(changed("cabinet", "zzz = 1"))
    assert only_problem(path) == "[cabinet] has no setting zzz: take it away"


def test_a_section_that_is_none_is_named(write: Write) -> None:
    path = write("mirror = 5\n" + SMALLEST)
    assert only_problem(path) == "mirror should be a section, [mirror], with keys of its own"


@pytest.mark.parametrize(
    ("section", "line", "told"),
    [
        ("cabinet", 'machine_id = ""', "machine_id should be 1 to 64 of"),
        ("cabinet", f'machine_id = "{"x" * 65}"', "machine_id should be 1 to 64 of"),
        ("cabinet", 'machine_id = "cab/001"', "machine_id should be 1 to 64 of"),
        ("cabinet", 'machine_id = "cab001\\n"', "machine_id should be 1 to 64 of"),
        ("cabinet", 'name = ""', "name is empty"),
        ("cloud", 'url = "ftp://api.example.com"', "url should be an address like"),
        ("cloud", 'url = "api.example.com"', "url should be an address like"),
        ("cloud", 'url = "https://[::1"', "url should be an address like"),
        ("cloud", 'url = "https://a:99999"', "url should be an address like"),
        ("cloud", 'url = "https://me:secret-one@a.example"', "url should be an address without"),
        ("cloud", 'url = "https://a.example/?x=1"', "url should be an address without"),
        ("cloud", 'url = "http://192.168.1.5"', "url should begin with https://"),
        ("cloud", 'url = "http://localhost.example.com"', "url should begin with https://"),
        ("cloud", "timeout_s = 0", "timeout_s should be greater than or equal to 0.5, not 0"),
        ("cloud", "timeout_s = nan", "timeout_s should be a finite number"),
        ("cloud", "timeout_s = true", "timeout_s should be a valid number, not true"),
        ("broker", 'host = ""', "host is empty"),
        ("broker", "port = 0", "port should be greater than or equal to 1, not 0"),
        ("broker", "port = 65536", "port should be less than or equal to 65535"),
        ("broker", 'tls = "yes"', 'tls should be a valid boolean, not "yes"'),
        ("broker", "tls = false", "tls should be true: the password must not travel in the clear"),
        ("broker", 'password = ""', "password is empty, and whoever knows the username could"),
        ("broker", 'password = " "', "password is empty, and whoever knows the username could"),
        ("broker", 'ca_file = "/not/there.pem"', "ca_file names /not/there.pem, which is no file"),
        ("broker", "keepalive_s = 30.5", "keepalive_s should be a valid integer"),
        ("relay", 'driver = "real"', "driver should be 'simulated' or 'gpio', not \"real\""),
        ("relay", "pin = 4", "pin should be 9 to 27, not 4: pins 0 to 8 are pulled high"),
        ("relay", "pin = 28", "pin should be a BCM number, 9 to 27, not 28"),
        ("relay", "pin = -1", "pin should be a BCM number, 9 to 27, not -1"),
        ("relay", "pulses_per_credit = 0", "pulses_per_credit should be greater than or equal to"),
        ("relay", "on_ms = 19", "on_ms should be greater than or equal to 20, not 19"),
        ("relay", "on_ms = 2001", "on_ms should be less than or equal to 2000, not 2001"),
        ("relay", "off_ms = 49", "off_ms should be greater than or equal to 50, not 49"),
        ("screen", "height = 480", "height and width go together"),
        ("screen", "width = 3\nheight = 480", "width should be greater than or equal to 240"),
        ("cabinet", 'mode = "open"', "mode should be 'sell', 'free play' or 'maintenance'"),
        ("screen", "rotation = 45", "rotation should be 0, 90, 180 or 270, not 45"),
        ("screen", "overscan = 16", "overscan should be less than or equal to 15, not 16"),
        ("screen", "languages = []", "languages "),
        ("screen", 'languages = ["en", "xx"]', "languages should be en, es, de, fr, pt, zh, ja"),
        ("screen", 'theme = ""', "theme is empty"),
        ("screen", 'night_cycle = "4 am"', 'night_cycle should be a time of the day, as "04:00"'),
        ("sound", 'quiet_hours = "22-8"', "quiet_hours should be two times of the day"),
        ("sound", "volume = 101", "volume should be less than or equal to 100, not 101"),
        ("rules", "resume_window_s = -1", "resume_window_s should be greater than or equal to 0"),
        ("rules", "heartbeat_s = 1", "heartbeat_s should be greater than or equal to 10, not 1"),
        ("mirror", 'listen = "8010"', "listen should be an address and a port"),
        ("mirror", 'listen = "127.0.0.1:70000"', "listen should be an address and a port"),
        ("mirror", 'listen = ":8010"', "listen should be an address and a port"),
        ("mirror", 'hosts = ["http://cab001"]', "hosts should be names and addresses"),
        ("mirror", "hosts = [7]", "hosts should be a valid string, not 7"),
        ("log", 'level = "loud"', "level should be 'debug', 'info', 'warning' or 'error'"),
    ],
)
def test_an_impossible_value_is_named_in_one_sentence(
    write: Write, section: str, line: str, told: str
) -> None:
    found = only_problem(write(changed(section, line)))
    assert found.startswith(f"[{section}] {told}")
    assert "\n" not in found


@pytest.mark.parametrize(
    ("relay", "told"),
    [
        ('driver = "gpio"', "pin is missing"),
        ('driver = "gpio"\npin = 17\nrecord = "/tmp/x"', "record is for driver = "),
    ],
)
def test_what_does_not_go_together_is_named(write: Write, relay: str, told: str) -> None:
    path = write(SMALLEST.replace('driver = "simulated"', relay))
    assert only_problem(path).startswith(f"[relay] {told}")


def test_a_ca_file_without_tls_is_named(write: Write) -> None:
    text = changed("broker", 'tls = false\nca_file = "/x"')
    path = write(text.replace("mqtt.example.com", "127.0.0.1"))
    assert only_problem(path).startswith("[broker] ca_file has no use while tls = false")


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:8000", "http://localhost:1", "http://[::1]:1/prod", "https://a/b/"]
)
def test_an_address_that_is_safe_is_taken_without_its_last_slash(write: Write, url: str) -> None:
    assert loader.load(write(changed("cloud", f'url = "{url}"'))).cloud.url == url.rstrip("/")


@pytest.mark.parametrize(
    ("listen", "address"),
    [
        ("", None),
        ("127.0.0.1:8010", ("127.0.0.1", 8010)),
        ("0.0.0.0:0", ("0.0.0.0", 0)),
        ("[::1]:8010", ("::1", 8010)),
    ],
)
def test_the_mirror_listens_where_it_is_told(
    write: Write, listen: str, address: tuple[str, int] | None
) -> None:
    assert loader.load(write(changed("mirror", f'listen = "{listen}"'))).mirror.address == address


@pytest.mark.parametrize(
    ("section", "line"),
    [
        ("cloud", 'token = "two words-5e11a"'),
        ("cloud", 'token = "5e11a"'),
        ("cloud", 'token = "5e11a\\r\\nX-More: 1"'),
        ("cloud", 'token = ["5e11a"]'),
        ("cloud", 'tokken = "5e11a"'),
        ("cloud", 'url = "https://me:5e11a@api.example.com"'),
        ("broker", 'password = ["5e11a"]'),
        ("broker", "password = '''5e11a"),
        ("broker", 'passwort = "5e11a"'),
    ],
)
def test_no_error_shows_a_secret(write: Write, section: str, line: str) -> None:
    with pytest.raises(ConfigError) as caught:
        loader.load(write(changed(section, line)))
    told = f"{caught.value}{caught.value!r}{caught.value.__cause__!r}"
    assert "5e11a" not in told
    assert TOKEN not in told


def test_neither_the_summary_nor_a_print_shows_a_secret(write: Write) -> None:
    found = loader.load(write(SMALLEST))
    told = loader.summary(found) + repr(found) + str(found)
    assert TOKEN not in told
    assert "pass-the-word" not in told
    assert "token = **********" in told
    assert "on_ms = 100" in told


def test_a_config_does_not_change(write: Write) -> None:
    found = loader.load(write(SMALLEST))
    with pytest.raises(ValidationError, match="frozen"):
        found.relay.on_ms = 1000


def test_a_missing_file_is_named_with_the_remedy(tmp_path: Path) -> None:
    path = tmp_path / "none.toml"
    assert problems(path) == (
        f"there is no config file {path}: `python -m cloud.admin add` prints one",
    )


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    assert problems(tmp_path) == (f"{tmp_path} is a folder: name the config file in it",)


def test_a_file_that_may_not_be_read_is_named(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_path: Path) -> bytes:
        raise PermissionError(13, "Permission denied")

    path = write(SMALLEST)
    monkeypatch.setattr(Path, "read_bytes", refuse)  # root may read everything
    (found,) = problems(path)
    assert found.startswith(f"{path} may not be read by this user")


def test_a_file_that_is_no_text_is_named(tmp_path: Path) -> None:
    path = tmp_path / "kiosk.toml"
    path.write_bytes(b"\xff\xfe\x00")
    (found,) = problems(path)
    assert found.startswith(f"{path} is not a text file (UTF-8)")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[cabinet]\nmachine_id = cab001\n", ":2:14: this is not TOML: invalid value"),
        ("[cabinet\n", ":1:9: this is not TOML: "),
        ("[relay]\n[relay]\n", ":2:7: this is not TOML: "),
        ("<!doctype html>", ":1:1: this is not TOML: invalid statement"),
        ("a = [1,", ": this is not TOML: "),
    ],
)
def test_what_is_no_toml_is_told_with_its_place(write: Write, text: str, told: str) -> None:
    path = write(text)
    (found,) = problems(path)
    assert found.startswith(f"{path}{told}")


def test_a_file_that_others_may_read_is_a_warning(write: Write) -> None:
    path = write(SMALLEST)
    found = loader.load(path)
    assert loader.warnings(path, found) == ()
    for mode in (0o640, 0o604):
        path.chmod(mode)
        (warning,) = loader.warnings(path, found)
        assert warning.endswith(f"chmod 600 {path}")


@pytest.mark.parametrize(
    ("host", "taken"),
    [
        ("localhost", True),
        ("127.0.0.1", True),
        ("127.8.9.10", True),
        ("::1", True),
        ("192.168.1.5", False),
        ("0.0.0.0", False),
        ("127.0.0.1.example.com", False),
        ("localhost.example.com", False),
    ],
)
def test_a_broker_without_tls_is_taken_on_this_machine_only(
    write: Write, host: str, taken: bool
) -> None:
    path = write(changed("broker", "tls = false").replace("mqtt.example.com", host))
    if taken:
        assert not loader.load(path).broker.tls
    else:
        assert only_problem(path).startswith("[broker] tls should be true")


def test_a_mirror_that_a_network_can_watch_is_a_warning(write: Write) -> None:
    for listen in ("0.0.0.0:8010", "192.168.1.5:8010", "[::]:8010"):
        path = write(changed("mirror", f'listen = "{listen}"'))
        (warning,) = loader.warnings(path, loader.load(path))
        assert "everybody on the network can watch the mirror" in warning
    for listen in ("127.0.0.1:8010", "localhost:8010", "[::1]:8010", ""):
        path = write(changed("mirror", f'listen = "{listen}"'))
        assert loader.warnings(path, loader.load(path)) == ()


@pytest.mark.parametrize("section", Config.model_fields)
def test_every_key_is_explained_in_a_line(section: str) -> None:
    for key, told in schema.keys(section).items():
        assert told, key
        assert "\n" not in told
