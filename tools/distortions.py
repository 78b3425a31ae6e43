"""What happens to a code between the screen and a phone, made on pictures.

Each distortion has steps from weak to strong; :func:`limit` tells how far a code still reads.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cv2
import numpy
import zxingcpp

Picture = numpy.ndarray
Reader = Callable[[Picture], str]


def with_zxing(picture: Picture) -> str:
    """What zxing-cpp reads."""
    codes = zxingcpp.read_barcodes(picture)
    return codes[0].text if codes else ""


def with_opencv(picture: Picture) -> str:
    """What OpenCV reads, as it is or a little larger, as a phone's reader tries too."""
    detector = cv2.QRCodeDetector()
    for scale in (1.0, 2.0):
        larger = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)
        text, points, _ = detector.detectAndDecode(larger)
        if points is not None and text:
            return str(text)
    return ""


READERS: dict[str, Reader] = {"zxing-cpp": with_zxing, "OpenCV": with_opencv}


def blurred(picture: Picture, modules: float, module: float) -> Picture:
    """Out of focus: a Gaussian of ``modules`` of the code's own."""
    return numpy.asarray(cv2.GaussianBlur(picture, (0, 0), modules * module))


def tilted(picture: Picture, degrees: float, _module: float) -> Picture:
    """Seen from the side, by ``degrees``, from as far as the picture is wide."""
    h, w = picture.shape
    turn = numpy.radians(degrees)
    corners = numpy.array([(0, 0), (w, 0), (w, h), (0, h)], numpy.float32)
    seen = []
    for x, y in corners:
        across, down = x - w / 2, y - h / 2
        far = w * 1.5 + across * numpy.sin(turn)
        seen.append(
            (w / 2 + across * numpy.cos(turn) * w * 1.5 / far, h / 2 + down * w * 1.5 / far)
        )
    matrix = cv2.getPerspectiveTransform(corners, numpy.array(seen, numpy.float32))
    return numpy.asarray(cv2.warpPerspective(picture, matrix, (w, h), borderValue=30))


def noisy(picture: Picture, strength: float, _module: float) -> Picture:
    """A sensor's noise, its standard deviation in shares of white."""
    noise = numpy.random.default_rng(1).normal(0, strength * 255, picture.shape)
    return numpy.clip(picture + noise, 0, 255).astype(numpy.uint8)


def dark(picture: Picture, share: float, _module: float) -> Picture:
    """So little light that white is ``1 - share`` of white, with what noise that brings."""
    dim = picture.astype(float) * (1 - share)
    noise = numpy.random.default_rng(2).normal(0, 4, picture.shape)
    return numpy.clip(dim + noise, 0, 255).astype(numpy.uint8)


def far(picture: Picture, shrink: float, module: float) -> Picture:
    """A phone's camera from afar: one module has ``3 / shrink`` of its pixels."""
    scale = 3.0 / shrink / module
    size = (max(8, round(picture.shape[1] * scale)), max(8, round(picture.shape[0] * scale)))
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    return numpy.asarray(cv2.resize(picture, size, interpolation=how))


@dataclass(frozen=True)
class Distortion:
    """``steps`` from weak to strong; up to ``needed`` it must read. ``unit`` is for people."""

    name: str
    unit: str
    make: Callable[[Picture, float, float], Picture]
    steps: Sequence[float]
    needed: float


ALL = (
    Distortion("blur", "modules", blurred, (0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8), 0.4),
    Distortion("tilt", "degrees", tilted, (10, 20, 30, 35, 40, 45, 50, 55), 30),
    Distortion("noise", "of white", noisy, (0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4), 0.1),
    Distortion("darkness", "of light lost", dark, (0.5, 0.7, 0.8, 0.85, 0.9, 0.95), 0.7),
    Distortion("distance", "× (3 camera pixels a module at 1)", far, (1, 1.2, 1.5, 1.8, 2, 2.3), 1),
)


def limit(picture: Picture, module: float, text: str, kind: Distortion, read: Reader) -> float:
    """The strongest step up to which every one reads; 0 if none does."""
    reached = 0.0
    for step in kind.steps:
        if read(kind.make(picture, step, module)) != text:
            break
        reached = step
    return reached
