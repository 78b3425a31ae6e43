"""``python -m sandbox`` as a process: what it prints, stores, and leaves behind."""

from __future__ import annotations

import json
import os
import queue
import re
import signal
import socket
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import paho.mqtt.client as mqtt
import pytest
import requests
from paho.mqtt.enums import CallbackAPIVersion
from stripe import StripeClient

from sandbox.__main__ import main
from sandbox.sandbox_state import DataFolderUnusable
from sandbox.server import Options, Sandbox

ROOT = Path(__file__).parents[2]
WAIT = 20.0
SECRETS = ("stripe_key", "webhook_secret", "mqtt_password")


def run(*arguments: str, module: str = "sandbox", **how: Any) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", module, *arguments],
        env={**os.environ, "PYTHONPATH": str(ROOT / "lambda"), "PYTHONWARNINGS": "error"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **how,
    )


class Running:
    """A sandbox that is ready."""

    def __init__(self, *arguments: str, **how: Any) -> None:
        self.process = run(*arguments, **how)
        assert self.process.stdout
        self.line = self.process.stdout.readline()
        if not self.line:
            pytest.fail(f"it never became ready: {self.process.communicate(timeout=WAIT)[1]}")
        self.ready: dict[str, str] = json.loads(self.line)
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        self.children = children.read_text().split() if children.exists() else []

    def end(self, number: int = signal.SIGINT) -> tuple[int, str, str]:
        """Its exit status, what else it printed, and its log."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        out, log = self.process.communicate(timeout=WAIT)
        return self.process.returncode, out, log


@pytest.fixture
def sandbox() -> Iterator[Callable[..., Running]]:
    """Starts sandboxes, and stops those that a test leaves running."""
    started: list[Running] = []

    def start(*arguments: str, **how: Any) -> Running:
        started.append(Running(*arguments, **how))
        return started[-1]

    yield start
    for running in started:
        running.end()


def admin(data: Path, *arguments: str) -> str:
    process = run("--data", str(data), *arguments, module="cloud.admin")
    out, log = process.communicate(timeout=WAIT)
    assert process.returncode == 0, log
    return out


def gone(address: str) -> bool:
    host, _, port = address.removeprefix("http://").partition(":")
    try:
        socket.create_connection((host, int(port)), timeout=WAIT).close()
    except ConnectionRefusedError:
        return True
    return False


def test_it_prints_one_line_and_after_an_interrupt_nothing_is_left(
    sandbox: Callable[..., Running],
) -> None:
    running = sandbox("--verbose")
    ready = running.ready
    assert set(ready) == {"api", "stripe", "mqtt", "webhook_secret", "stripe_key", "data"}
    assert requests.get(f"{ready['api']}/status", timeout=WAIT).json()["status"] == "up"
    data = Path(ready["data"])
    assert data.is_dir()
    status, out, log = running.end(signal.SIGINT)
    assert (status, out) == (0, "")
    assert "Traceback" not in log
    assert not data.exists()
    assert all(gone(ready[name]) for name in ("api", "stripe", "mqtt"))
    for child in running.children:
        assert not Path(f"/proc/{child}").exists()


def test_an_interrupt_from_a_terminal_stops_it_cleanly(
    sandbox: Callable[..., Running],
) -> None:
    running = sandbox(start_new_session=True)
    for child in running.children:
        # The broker is not interrupted: the sandbox stops it after the cloud.
        assert os.getpgid(int(child)) != running.process.pid
    os.killpg(running.process.pid, signal.SIGINT)
    status, out, log = running.end()
    assert (status, out) == (0, "")
    assert "Traceback" not in log


def test_the_broker_of_a_killed_sandbox_ends_too(
    sandbox: Callable[..., Running], tmp_path: Path
) -> None:
    running = sandbox("--data", str(tmp_path))
    running.process.kill()
    running.process.communicate(timeout=WAIT)
    deadline = time.monotonic() + WAIT
    while not gone(running.ready["mqtt"]):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_restart_keeps_state_secrets_and_ports(
    sandbox: Callable[..., Running], tmp_path: Path
) -> None:
    first = sandbox("--data", str(tmp_path))
    client = StripeClient(first.ready["stripe_key"], base_addresses={"api": first.ready["stripe"]})
    price = client.v1.prices.create(
        {"currency": "usd", "unit_amount": 100, "product_data": {"name": "One play"}}
    )
    status, _, _ = first.end(signal.SIGTERM)
    assert status == 0
    again = sandbox("--data", str(tmp_path))
    assert again.ready == first.ready
    assert client.v1.prices.retrieve(price.id).unit_amount == 100


def test_secrets_are_in_private_files_only_and_never_in_the_log(
    sandbox: Callable[..., Running], tmp_path: Path
) -> None:
    running = sandbox("--data", str(tmp_path), "--verbose")
    written = json.loads((tmp_path / "sandbox.json").read_text())
    assert running.ready.items() <= written.items()  # and so admin can make a cabinet's config
    assert written["port"] == int(running.ready["api"].rpartition(":")[2])
    answer = requests.get(
        f"{running.ready['stripe']}/v1/prices",
        headers={"Authorization": f"Bearer {written['stripe_key']}"},
        timeout=WAIT,
    )
    assert answer.status_code == 200
    for file in tmp_path.iterdir():
        content = file.read_bytes()
        if any(written[name].encode() in content for name in SECRETS):
            assert stat.S_IMODE(file.stat().st_mode) == 0o600, file.name
    _, _, log = running.end()
    assert log
    assert not [name for name in SECRETS if written[name] in log]


def test_a_port_that_is_taken_is_one_sentence_and_status_1(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        process = run("--port", str(port), "--data", str(tmp_path))
        out, log = process.communicate(timeout=WAIT)
    assert (process.returncode, out) == (1, "")
    assert log == (
        f"port {port} of 127.0.0.1 is taken: end what uses it, or choose another --port\n"
    )


def test_a_folder_that_cannot_be_used_is_one_sentence_and_status_1(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    process = run("--data", str(file))
    out, log = process.communicate(timeout=WAIT)
    assert (process.returncode, out) == (1, "")
    assert re.fullmatch(rf"{file} cannot be written to \(.*\): choose another --data\n", log)


@pytest.mark.parametrize("name", ["ledger.db", "stripe.db", "state.json"])
def test_a_damaged_file_is_named_and_nothing_runs(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"nothing that was written here" * 100)
    sandbox = Sandbox(Options(data=tmp_path))
    threads = threading.active_count()
    with pytest.raises(
        DataFolderUnusable, match=rf"^{tmp_path}/{name} cannot be .*(delete it|move it)"
    ):
        sandbox.start()
    assert threading.active_count() == threads
    if (tmp_path / "state.json").exists() and name != "state.json":
        port = json.loads((tmp_path / "state.json").read_text())["mqtt_port"]
        assert gone(f"127.0.0.1:{port}")


@pytest.mark.parametrize(
    "arguments",
    [
        ["--port", "no"],
        ["--port", "65536"],
        ["--sweep-seconds", "0"],
        ["--mqtt", "http://x"],
        ["--mqtt", "mqtt://user:password@broker.example"],
        ["--mqtt", "mqtts://broker.example"],
        ["--public-url", "pay"],
        ["--nonsense"],
    ],
)
def test_a_command_line_that_is_wrong_is_status_2(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    out, log = capsys.readouterr()
    assert out == ""
    assert "usage:" in log


def test_a_password_on_a_wrong_command_line_is_not_repeated(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit):
        main(["--mqtt", "mqtt://user:hunter2@"])
    log = capsys.readouterr().err
    assert "--mqtt" in log
    assert "hunter2" not in log


def test_another_broker_is_used_when_one_is_named(
    sandbox: Callable[..., Running], tmp_path: Path
) -> None:
    broker = sandbox("--data", str(tmp_path / "one"))
    written = json.loads((tmp_path / "one" / "sandbox.json").read_text())
    running = sandbox("--data", str(tmp_path / "two"), "--mqtt", written["mqtt_url"])
    assert running.ready["mqtt"] == broker.ready["mqtt"]
    assert running.children == []
    here = json.loads((tmp_path / "two" / "sandbox.json").read_text())
    assert here["mqtt_password"] == written["mqtt_password"]


def config(text: str, key: str) -> str:
    found = re.search(rf'^{key} = "(.*)"$', text, re.MULTILINE)
    assert found
    return found[1]


def test_a_payment_on_the_page_reaches_the_cabinet_and_its_receipt(
    sandbox: Callable[..., Running], tmp_path: Path
) -> None:
    running = sandbox("--data", str(tmp_path), "--public-url", "http://127.0.0.1:1")
    ready = running.ready
    cabinet = admin(tmp_path, "add", "cab001", "--after-power-cut", "forgive")
    received: queue.Queue[dict[str, Any]] = queue.Queue()
    subscribed: queue.Queue[int] = queue.Queue()
    client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id="cab001", protocol=mqtt.MQTTv311)
    client.username_pw_set(config(cabinet, "username"), config(cabinet, "password"))
    client.on_connect = lambda client, *_: client.subscribe(
        "arcade/machine/cab001/coinpulse", qos=1
    )
    client.on_subscribe = lambda _c, _d, mid, _r, _p: subscribed.put(mid)
    client.on_message = lambda _c, _d, message: received.put(json.loads(message.payload))
    host, _, port = ready["mqtt"].partition(":")
    client.connect(host, int(port))
    client.loop_start()
    try:
        subscribed.get(timeout=WAIT)
        with requests.Session() as web:
            link = web.post(
                f"{ready['api']}/create-payment-link",
                json={"machine_id": "cab001"},
                headers={"Authorization": f"Bearer {config(cabinet, 'token')}"},
                timeout=WAIT,
            )
            assert link.status_code == 200, link.text
            # PaymentLinks name the address that phones use.
            assert link.json()["url"].startswith("http://127.0.0.1:1/pay/")
            url = link.json()["url"].replace("http://127.0.0.1:1", ready["api"])
            opened = web.get(url, timeout=WAIT)
            assert "Pay $1.00" in opened.text
            form = {"do": "pay", "quantity": "3"}
            declined = web.post(opened.url, data=form | {"card": "4000000000009995"}, timeout=WAIT)
            assert declined.status_code == 402
            assert "Your card has insufficient funds. You were not charged" in declined.text
            paid = web.post(
                opened.url,
                data=form | {"card": "4242424242424242"},
                timeout=WAIT,
                allow_redirects=False,
            )
            assert paid.status_code == 303
            session_id = opened.url.rpartition("/")[2]
            assert paid.headers["location"] == (
                f"http://127.0.0.1:1/receipt?session_id={session_id}"
            )
            pulse = received.get(timeout=WAIT)
            assert (pulse["orderId"], pulse["credits"]) == (session_id, 3)
            receipt = web.get(
                f"{ready['api']}/receipt", params={"session_id": session_id}, timeout=WAIT
            )
            assert receipt.status_code == 200
            assert "Already paid" in web.get(opened.url, timeout=WAIT).text
    finally:
        client.disconnect()
        client.loop_stop()
    assert "Traceback" not in running.end()[2]
