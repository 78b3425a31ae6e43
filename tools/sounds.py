"""Makes the kiosk's sounds, in code: ``python -m tools.sounds`` writes ``assets/sounds/``.

Each is a few notes of a chip's square and triangle waves, as the cabinets of the eighties had them.
"""

from __future__ import annotations

import math
import struct
import sys
import wave
from collections.abc import Sequence
from pathlib import Path

RATE = 22050  # Hz
FOLDER = Path(__file__).parents[1] / "assets" / "sounds"

# Frequency in Hz (0: a rest) and length in seconds.
Tone = tuple[float, float]


def semitone(steps: int) -> float:
    """The frequency of a note, ``steps`` above the A of 440 Hz."""
    return float(440.0 * 2 ** (steps / 12))


def _scale(*steps: int, length: float) -> list[Tone]:
    return [(semitone(step), length) for step in steps]


SOUNDS: dict[str, tuple[str, float, list[Tone]]] = {
    # Wave, how long a note rings on after it in seconds, and the notes.
    "attract": (
        "square",
        0.25,
        _scale(-9, -5, -2, 3, length=0.09)
        + _scale(7, 3, length=0.09)
        + _scale(-7, -3, 0, 5, length=0.09)
        + _scale(9, length=0.34),
    ),
    "coin": ("square", 0.30, [(semitone(14), 0.07), (semitone(19), 0.16)]),
    "thanks": ("triangle", 0.35, _scale(3, 7, 10, 15, length=0.1) + _scale(19, length=0.3)),
    "declined": ("triangle", 0.25, _scale(0, -4, length=0.16) + _scale(-2, length=0.26)),
    "game-over": (
        "square",
        0.30,
        _scale(3, 2, 0, -2, length=0.13) + _scale(-5, -9, length=0.2),
    ),
}


def samples(shape: str, ring: float, notes: Sequence[Tone]) -> list[float]:
    """The sound as numbers from -1 to 1."""
    length = sum(seconds for _, seconds in notes) + ring
    out = [0.0] * round(length * RATE)
    begin = 0.0
    for number, (frequency, seconds) in enumerate(notes):
        last = number == len(notes) - 1
        count = round((seconds + (ring if last else 0.06)) * RATE)
        start = round(begin * RATE)
        for n in range(min(count, len(out) - start)):
            t = n / RATE
            phase = t * frequency % 1.0
            value = _square(phase) if shape == "square" else 4 * abs(phase - 0.5) - 1
            # A soft beginning, so that nothing clicks, and an end that fades.
            fade = min(1.0, t / 0.004) * math.exp(-t / (seconds * 0.9))
            fade *= min(1.0, (count - n) / (0.02 * RATE))
            out[start + n] += value * fade * 0.5
        begin += seconds
    loudest = max(abs(value) for value in out)
    return [value / loudest * 0.7 for value in out]


def _square(phase: float) -> float:
    """A square wave without its harshest overtones."""
    return math.tanh(4.0 * math.sin(2 * math.pi * phase)) * 0.8


def encode(values: Sequence[float]) -> bytes:
    """Samples as 16-bit PCM."""
    return b"".join(struct.pack("<h", round(32767 * value)) for value in values)


def main() -> int:
    """Writes all sounds."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, (shape, ring, notes) in SOUNDS.items():
        with wave.open(str(FOLDER / f"{name}.wav"), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(RATE)
            file.writeframes(encode(samples(shape, ring, notes)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
