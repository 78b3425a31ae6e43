"""A mosquitto with the files that docs/cloud.md has, or that `cloud.admin add` makes."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from sandbox import ports
from tests.plugins.mosquitto import Certificates, Mosquitto

TIE = "use_username_as_clientid true\n"

# What `add` made up, of the test that runs.
MADE: dict[str, str] = {}


def password(account: str) -> str:
    return MADE.get(account, f"the password of {account}")


@dataclass(frozen=True)
class Field:
    """A running mosquitto with the page's files, and the ports of its two listeners."""

    mosquitto: Mosquitto
    cabinets: int
    cloud: int
    ca_file: Path


Start = Callable[[Path, str, tuple[int, ...]], Mosquitto]
AddAccount = Callable[[Path, str, str], None]


def set_up(
    page: str,
    folder: Path,
    certificates: Certificates,
    add_account: AddAccount,
    start: Start,
    *,
    tied: bool = True,
    add: Callable[[Path, str], str] | None = None,
) -> Field:
    """What an operator does who follows ``page``, in ``folder`` and on free loopback ports.

    With ``add``, the files come from that command, which returns a cabinet's password, and only
    what it makes none of, the game's and the monitor's accounts, comes from the page.
    """
    found = re.findall(r"(?ms)^```conf\n# /etc/mosquitto/(\S+)\n(.*?)^```", page)
    blocks: dict[str, str] = dict(found)
    assert set(blocks) == {"conf.d/arcade.conf", "cabinets.acl", "cloud.acl"}
    accounts = re.findall(r"^sudo mosquitto_passwd /etc/mosquitto/(\S+) (\S+)$", page, re.MULTILINE)
    accounts.append(("cabinets.password", "cab002"))
    made = {"cab001", "cab002", "cloud"} if add else set()
    for cabinet in ("cab001", "cab002") if add else ():
        assert add
        MADE[cabinet] = add(folder, cabinet)
    for name, other in (("cabinets.acl", "user game."), ("cloud.acl", "user monitor")):
        text = blocks[name]
        if add:
            text = (folder / name).read_text() + text[text.index(other) :]
        (folder / name).touch(mode=0o600)
        (folder / name).write_text(text)
    for file, account in accounts:
        if account not in made:
            add_account(folder / file, account, password(account))

    free = {"8883": ports.free("127.0.0.1"), "8884": ports.free("127.0.0.1")}
    settings = blocks["conf.d/arcade.conf"].replace("/etc/mosquitto/certs/server.", "/etc/server.")
    settings = settings.replace("/etc/server.pem", str(certificates.server))
    settings = settings.replace("/etc/server.key", str(certificates.server_key))
    settings = settings.replace("/etc/mosquitto", str(folder))
    for said, port in free.items():
        settings, times = re.subn(rf"(?m)^listener {said}$", f"listener {port} 127.0.0.1", settings)
        assert times == 1
    assert settings.count(TIE) == 1
    (folder / "conf.d").mkdir()
    (folder / "conf.d" / "arcade.conf").write_text(settings if tied else settings.replace(TIE, ""))
    # As Debian's own file says.
    main = f"persistence true\npersistence_location {folder}/\ninclude_dir {folder}/conf.d\n"
    return Field(
        start(folder / "mosquitto.conf", main, tuple(free.values())),
        free["8883"],
        free["8884"],
        certificates.ca_file,
    )
