"""Lists that fit a screen: pages, tables of 80 columns, and JSON for programs."""

from __future__ import annotations

import argparse
import json
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, TypeVar

from cloud.cli import output
from cloud.core.texts import one_line

NARROWEST = 6  # of a column that gives way
T = TypeVar("T")


@dataclass(frozen=True)
class Column:
    """``right`` for numbers; a column that ``gives`` is cut where the line is too long."""

    title: str
    right: bool = False
    gives: bool = False


def add_options(command: argparse.ArgumentParser, limit: int = 20) -> None:
    """``--limit``, ``--page`` and ``--json``."""
    command.add_argument(
        "--limit", type=_natural, default=limit, help=f"how many (default: {limit}); 0 for all"
    )
    command.add_argument("--page", type=_natural, default=1, help="which of the pages (default: 1)")
    add_json(command)


def add_json(command: argparse.ArgumentParser) -> None:
    """``--json`` alone, for what is no list."""
    command.add_argument("--json", action="store_true", help="for programs")


def page(items: Iterable[T], args: argparse.Namespace) -> tuple[list[T], bool]:
    """The page that was asked for, and whether there are more."""
    if not args.limit:
        return list(items), False
    begin = (max(1, args.page) - 1) * args.limit
    found = list(islice(items, begin, begin + args.limit + 1))
    return found[: args.limit], len(found) > args.limit


def tell_more(args: argparse.Namespace, more: bool) -> None:
    """Says how to see the next page."""
    if more:
        output.line(f"there are more: --page {max(1, args.page) + 1} shows the next {args.limit}")


def show_json(items: Sequence[dict[str, Any]], args: argparse.Namespace, more: bool) -> None:
    """A page for programs."""
    next_page = max(1, args.page) + 1 if more else None
    document({"items": list(items), "next_page": next_page})


def document(value: object) -> None:
    """A value for programs, in ASCII: what others wrote moves no terminal's cursor."""
    output.document(json.dumps(value, indent=2) + "\n")


def table(columns: Sequence[Column], rows: Sequence[Sequence[str]]) -> None:
    """Prints rows under their titles, cut to the screen's width; nothing without rows."""
    for line in lines(columns, rows) if rows else ():
        output.line(line)


def lines(columns: Sequence[Column], rows: Sequence[Sequence[str]]) -> list[str]:
    """The table's lines."""
    cells = [[column.title for column in columns]]
    cells += [[one_line(cell) for cell in row] for row in rows]
    widths = [max(width(row[n]) for row in cells) for n in range(len(columns))]
    over = sum(widths) + 2 * (len(columns) - 1) - output.WIDTH
    for number, column in sorted(enumerate(columns), key=lambda c: -widths[c[0]]):
        if over > 0 and column.gives:
            less = min(over, max(0, widths[number] - NARROWEST))
            widths[number] -= less
            over -= less
    return [
        "  ".join(fitted(cell, widths[n], columns[n].right) for n, cell in enumerate(row)).rstrip()
        for row in cells
    ]


def width(text: str) -> int:
    """How many columns of a terminal a text takes: letters of East Asia take two."""
    return sum(
        0
        if unicodedata.combining(letter)
        else 2
        if unicodedata.east_asian_width(letter) in "WF"
        else 1
        for letter in text
    )


def fitted(text: str, columns: int, right: bool = False) -> str:
    """A text in so many columns, cut or filled up."""
    if width(text) > columns:
        while text and width(text) > columns - 1:
            text = text[:-1]
        text += "…"
    space = " " * (columns - width(text))
    return space + text if right else text + space


def _natural(word: str) -> int:
    number = int(word)
    if not 0 <= number <= 1_000_000:
        raise ValueError(word)
    return number
