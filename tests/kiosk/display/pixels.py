"""Looking at pictures as a machine does."""

from __future__ import annotations

import cv2
import numpy
import pygame
import zxingcpp

from kiosk.display.layout import Box


def grey(surface: pygame.Surface) -> numpy.ndarray:
    """The surface as rows of grey pixels."""
    pixels = numpy.frombuffer(pygame.image.tobytes(surface, "RGB"), numpy.uint8)
    rows = pixels.reshape(surface.get_height(), surface.get_width(), 3)
    return numpy.asarray(cv2.cvtColor(rows, cv2.COLOR_RGB2GRAY))


def with_zxing(picture: numpy.ndarray) -> set[str]:
    """What zxing-cpp reads."""
    return {found.text for found in zxingcpp.read_barcodes(picture)}


def with_opencv(picture: numpy.ndarray) -> str:
    """What OpenCV reads."""
    told, _points, _straight = cv2.QRCodeDetector().detectAndDecode(picture)
    return str(told)


def rect(box: Box) -> pygame.Rect:
    """The box as pygame has it."""
    return pygame.Rect(box.x, box.y, box.w, box.h)


def luminance(surface: pygame.Surface) -> numpy.ndarray:
    """The relative luminance of each pixel, 0 to 1, by WCAG 2.2's formula."""
    pixels = numpy.frombuffer(pygame.image.tobytes(surface, "RGB"), numpy.uint8)
    share = pixels.reshape(surface.get_height(), surface.get_width(), 3) / 255
    linear = numpy.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)
    return numpy.asarray(linear @ numpy.array([0.2126, 0.7152, 0.0722]))
