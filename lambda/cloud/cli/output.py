"""Where the operator's commands write: the terminal, one clean line at a time, and secret files.

The only module of the cloud that prints. What cabinets, Stripe and players wrote cannot forge a
line or move the cursor here, and a letter that the terminal does not have is no traceback.
"""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
import textwrap
from pathlib import Path
from typing import TextIO

from cloud.core.texts import one_line

WIDTH = 80  # of a screen


class OutputError(Exception):
    """A sentence for the operator."""


def line(text: str = "", to: TextIO | None = None) -> None:
    """Prints one line."""
    _write(one_line(text) + "\n", to or sys.stdout)


def wrapped(text: str, indent: int = 4) -> None:
    """Prints a sentence over as many lines of the screen as it needs."""
    clean = one_line(text)
    own = len(clean) - len(clean.lstrip())
    for part in textwrap.wrap(
        clean.strip(),
        WIDTH,
        initial_indent=" " * own,
        subsequent_indent=" " * max(own, indent),
        break_long_words=False,
        break_on_hyphens=False,
    ):
        line(part)


def can_show(letters: str) -> bool:
    """Whether the terminal has these letters."""
    try:
        letters.encode(sys.stdout.encoding or "utf-8")
    except UnicodeEncodeError:
        return False
    return True


def error(sentences: object) -> None:
    """Prints what is wrong, a line for each sentence."""
    for sentence in str(sentences).split("\n"):
        line(sentence, sys.stderr)


def document(text: str) -> None:
    """Prints a document that was made here, as it is."""
    _write(text, sys.stdout)


def _write(text: str, to: TextIO) -> None:
    encoding = to.encoding or "utf-8"
    print(text.encode(encoding, "replace").decode(encoding), end="", file=to)


class SecretFile:
    """A file that nobody but its owner can ever read.

    It is opened before the secret exists, so that no secret is lost for a folder that cannot be
    written. An older file of that name is refused, or stays as it is until :meth:`write`.
    """

    def __init__(self, path: Path, overwrite: bool) -> None:
        self.path = path
        self._open = True
        if os.path.lexists(path) and not overwrite:
            raise OutputError(f"{path} is there already: take another name, or add --overwrite")
        # Both calls make the file themselves or fail, and with 0600 from its first moment.
        try:
            if overwrite:
                self._file, made = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
                self._made = Path(made)
            else:
                self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
                self._made = path
        except OSError as error:
            raise OutputError(f"{path} cannot be written: {error.strerror}") from error

    def write(self, text: str) -> None:
        """Fills the file and puts it in its place."""
        try:
            with os.fdopen(self._file, "w", encoding="utf-8", closefd=False) as file:
                file.write(text)
            os.fsync(self._file)
            if self._made != self.path:
                self._made.replace(self.path)
        except OSError as error:
            raise OutputError(
                f"{self.path} cannot be written: {error.strerror}; `token` makes it anew"
            ) from error
        os.close(self._file)
        self._open = False

    def drop(self) -> None:
        """Leaves nothing behind, unless the file was written."""
        if self._open:
            self._open = False
            os.close(self._file)
            with contextlib.suppress(OSError):
                self._made.unlink()
