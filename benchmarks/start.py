"""From ``kiosk run`` to the first code on the screen, as a process of its own."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request

from benchmarks import parts
from benchmarks.rows import Row, spread

RUNS = 7


def run() -> list[Row]:
    """Starts the kiosk some times, and a Python that only imports its libraries."""
    with parts.sandbox() as (_, _ready, data):
        port = _free_port()
        more = f'\n[mirror]\nlisten = "127.0.0.1:{port}"\n'
        path = parts.cabinet_config(data, "cab001", more)
        kiosk = [_start(str(path), port) for _ in range(RUNS)]
    imports = "import pygame, paho.mqtt.client, requests, segno, pydantic, babel.numbers, sqlite3"
    bare = [_time([sys.executable, "-c", "pass"]) for _ in range(RUNS)]
    libraries = [_time([sys.executable, "-c", imports]) for _ in range(RUNS)]
    ratio = sorted(kiosk)[RUNS // 2] / sorted(libraries)[RUNS // 2]
    return [
        Row("kiosk run → first code on the screen", spread(kiosk), f"{ratio:.1f} × floor",
            f"{RUNS} starts; link there already, in memory, 1280×720"),
        Row("floor: Python and the kiosk's libraries", spread(libraries), "1"),
        Row("  of it Python alone", spread(bare)),
    ]  # fmt: skip


def _start(config: str, port: int) -> float:
    begun = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", "kiosk", "run", "--config", config],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        parts.wait_for(lambda: _shows_code(port), "the code")
        return time.perf_counter() - begun
    finally:
        process.terminate()
        process.wait(10)


def _shows_code(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/state", timeout=1) as answer:
            return bool(json.load(answer).get("shows_qr"))
    except (urllib.error.URLError, ConnectionError):
        return False


def _time(command: list[str]) -> float:
    begun = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - begun


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
