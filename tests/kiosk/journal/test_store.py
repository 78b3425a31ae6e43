"""The journal file: what was written is there after a restart, and what is wrong is said."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from kiosk.core import order_book
from kiosk.core.entries import Entry, Kind
from kiosk.journal.store import (
    Journal,
    JournalDamaged,
    JournalError,
    JournalInUse,
    boot_id,
    read,
    set_aside,
)

NOBODY = 65534
CLAIM = Entry(Kind.CLAIM, "cs_1", claim_id="mine")
CLAIMED = Entry(Kind.CLAIMED, "cs_1", credits=1, pulses=1)
BEGINS = Entry(Kind.PULSE_BEGINS, "cs_1", number=1)
OVER = Entry(Kind.PULSE_OVER, "cs_1", number=1)
SETTLE = Entry(Kind.SETTLE, "cs_1", number=1, note="a note")
SETTLED = Entry(Kind.SETTLED, "cs_1")
WHOLE = (CLAIM, CLAIMED, BEGINS, OVER, SETTLE, SETTLED)


class Files:
    """Opens journals on one path, and closes what was opened."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.made: list[Journal] = []

    def journal(self, boot: str = "boot") -> Journal:
        self.made.append(Journal(self.path, lambda: (boot, 1.0, 2.0)))
        return self.made[-1]

    def again(self) -> tuple[Entry, ...]:
        """What a restarted kiosk reads."""
        for journal in self.made:
            journal.close()
        return self.journal().open()


@pytest.fixture
def files(tmp_path: Path) -> Iterator[Files]:
    made = Files(tmp_path / "new folder" / "journal.db")
    yield made
    for journal in made.made:
        journal.close()


def test_a_new_journal_is_made_with_its_folder(files: Files) -> None:
    assert files.journal().open() == ()
    assert files.path.exists()


@pytest.mark.parametrize("length", range(1, len(WHOLE)))
def test_the_entries_of_an_unfinished_order_come_back(files: Files, length: int) -> None:
    journal = files.journal()
    journal.open()
    for entry in WHOLE[:length]:
        journal.append(entry)
    assert files.again() == WHOLE[:length]


def test_finished_orders_are_left_out_once_the_credits_are_counted(
    files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(order_book, "REMEMBERED", 0)
    journal = files.journal()
    journal.open()
    other = Entry(Kind.CLAIM, "cs_2", claim_id="c")
    journal.append(*WHOLE)
    journal.append(Entry(Kind.CREDITS_LEFT, number=4))
    journal.append(other)
    read = files.again()
    assert read == (Entry(Kind.CREDITS_LEFT, number=4), other)
    assert order_book.fold(read).credits_left == 4


def test_the_latest_finished_orders_come_back_whole(
    files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Their settles can be repeated, if the cloud did not hear one."""
    monkeypatch.setattr(order_book, "REMEMBERED", 1)
    journal = files.journal()
    journal.open()
    refused = (Entry(Kind.CLAIM, "cs_0", claim_id="c"), Entry(Kind.REFUSED, "cs_0"))
    journal.append(*refused, *WHOLE, Entry(Kind.CREDITS_LEFT, number=4))
    book = order_book.fold(files.again())
    assert (list(book.done), book.refused, book.credits_left) == (["cs_1"], (), 4)


def test_a_game_over_in_the_middle_of_an_order_costs_no_credit(files: Files) -> None:
    journal = files.journal()
    journal.open()
    journal.append(CLAIM, Entry(Kind.CLAIMED, "cs_1", credits=2, pulses=2), BEGINS, OVER)
    journal.append(Entry(Kind.CREDITS_LEFT, number=0))
    second = (Entry(Kind.PULSE_BEGINS, "cs_1", number=2), Entry(Kind.PULSE_OVER, "cs_1", number=2))
    journal.append(*second, Entry(Kind.SETTLE, "cs_1", number=2), SETTLED)
    assert order_book.fold(files.again()).credits_left == 1


def test_a_late_hint_for_a_finished_order_leaves_the_journal_readable(files: Files) -> None:
    journal = files.journal()
    journal.open()
    journal.append(*WHOLE, Entry(Kind.CREDITS_LEFT, number=0))
    again = Entry(Kind.CLAIM, "cs_1", claim_id="another")
    assert order_book.fold(files.again()).unfinished == {}
    files.made[-1].append(again)
    book = order_book.fold(files.again())
    assert (book.unfinished["cs_1"].claim_id, book.credits_left) == ("another", 0)
    files.made[-1].append(Entry(Kind.REFUSED, "cs_1"))
    assert order_book.fold(files.again()).unfinished == {}


def test_credits_since_the_last_count_are_read(files: Files) -> None:
    journal = files.journal()
    journal.open()
    journal.append(Entry(Kind.CREDITS_LEFT, number=0))
    journal.append(*WHOLE)
    assert order_book.fold(files.again()).credits_left == 1


def test_entries_that_are_written_together_are_all_there_or_none(files: Files) -> None:
    journal = files.journal()
    journal.open()
    journal.append(CLAIM)
    with pytest.raises(JournalError):
        journal.append(CLAIMED, CLAIM)  # the second is claimed already
    assert files.again() == (CLAIM,)


def test_two_kiosks_cannot_have_one_journal(files: Files) -> None:
    files.journal().open()
    with pytest.raises(JournalError, match="another kiosk"):
        files.journal().open()


def test_opening_again_is_like_a_restart(files: Files) -> None:
    journal = files.journal()
    journal.open()
    journal.append(CLAIM)
    assert journal.open() == (CLAIM,)


def test_a_file_that_is_no_database_is_kept_and_named(files: Files) -> None:
    files.path.parent.mkdir()
    files.path.write_bytes(b"this is no database " * 100)
    with pytest.raises(JournalError, match="no journal, or a damaged one"):
        files.journal().open()
    assert files.path.read_bytes().startswith(b"this is no database")


def test_another_programs_database_is_not_touched(files: Files) -> None:
    files.path.parent.mkdir()
    with sqlite3.connect(files.path) as db:
        db.execute("CREATE TABLE songs (name)")
    db.close()
    before = files.path.read_bytes()
    with pytest.raises(JournalError, match="another program"):
        files.journal().open()
    assert files.path.read_bytes() == before


def test_a_journal_of_a_newer_kiosk_is_refused(files: Files) -> None:
    files.journal().open()
    files.made[0].close()
    with sqlite3.connect(files.path) as db:
        db.execute("PRAGMA user_version = 99")
    db.close()
    with pytest.raises(JournalError, match="newer kiosk"):
        files.journal().open()


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    journal = Journal(tmp_path / "file" / "journal.db", lambda: ("", 0.0, 0.0))
    with pytest.raises(JournalError, match=r"journal\.db cannot be written"):
        journal.open()


def test_a_journal_that_is_a_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "journal.db").mkdir()
    journal = Journal(tmp_path / "journal.db", lambda: ("", 0.0, 0.0))
    with pytest.raises(JournalError, match="cannot be opened"):
        journal.open()


@contextlib.contextmanager
def somebody(folder: Path) -> Iterator[None]:
    """Not root, who may write everywhere: whoever runs the tests, or the owner of ``folder``."""
    root = os.geteuid() == 0
    if root:
        for path in (folder, *folder.iterdir()):
            os.chown(path, NOBODY, NOBODY)
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        if root:
            os.seteuid(0)


@pytest.mark.parametrize(
    ("journal", "folder", "told"), [(0o400, 0o700, "read-only"), (0o600, 0o500, "cannot be")]
)
def test_a_read_only_disk_is_named(journal: int, folder: int, told: str) -> None:
    # Not below pytest's own folder, which is for one user only.
    with tempfile.TemporaryDirectory() as made:
        path = Path(made) / "journal.db"
        store = Journal(path, lambda: ("boot", 1.0, 2.0))
        store.open()
        store.append(CLAIM)
        store.close()
        path.with_name("journal.db.lock").unlink()
        with somebody(path.parent):
            path.chmod(journal)
            path.parent.chmod(folder)
            with pytest.raises(JournalError, match=told):
                store.open()
            path.parent.chmod(0o700)
        assert [entry for entry, _ in read(path)] == [CLAIM]


def test_writing_to_a_full_disk_is_one_sentence(files: Files) -> None:
    journal = files.journal()
    journal.open()
    assert journal._db is not None
    (pages,) = journal._db.execute("PRAGMA page_count").fetchone()
    journal._db.execute(f"PRAGMA max_page_count = {pages}")
    entries = [Entry(Kind.CREDITS_LEFT, number=number, note="x" * 500) for number in range(1000)]
    with pytest.raises(JournalError, match="disk is full"):
        journal.append(*entries)
    with pytest.raises(JournalError, match="not open"):
        journal.append(CLAIM)  # memory and disk differ: nothing follows before it is read again
    assert journal.open() == ()
    journal.append(CLAIM)
    assert files.again() == (CLAIM,)


@pytest.mark.parametrize("step", ["_prepare", "_boot_has_changed", "_unfinished"])
@pytest.mark.parametrize(
    ("error", "raised"),
    [
        (sqlite3.OperationalError("disk I/O error"), JournalError),
        (OSError(5, "Input/output error"), JournalError),
        (ValueError("no number"), JournalDamaged),
        (JournalDamaged("made by a newer kiosk"), JournalDamaged),
        (MemoryError(), MemoryError),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else None,
)
def test_an_opening_that_fails_leaves_nothing_open(
    files: Files,
    monkeypatch: pytest.MonkeyPatch,
    step: str,
    error: BaseException,
    raised: type[BaseException],
) -> None:
    def fail(_self: Journal, _db: sqlite3.Connection) -> None:
        raise error

    journal = files.journal()
    with monkeypatch.context() as patch:
        patch.setattr(Journal, step, fail)
        with pytest.raises(raised):
            journal.open()
    assert journal._db is None
    assert files.journal().open() == ()  # the lock is free


def test_a_journal_of_version_1_is_read_whatever_the_names_in_the_code_are(files: Files) -> None:
    """The file's own words: cabinets in the field have them on their cards."""
    files.path.parent.mkdir()
    db = sqlite3.connect(files.path, isolation_level=None)
    db.executescript(
        """
        CREATE TABLE entries (
            number INTEGER PRIMARY KEY,
            kind TEXT NOT NULL, order_id TEXT NOT NULL, claim_id TEXT NOT NULL,
            credits INTEGER NOT NULL, pulses INTEGER NOT NULL, n INTEGER NOT NULL,
            note TEXT NOT NULL,
            boot_id TEXT NOT NULL, monotonic REAL NOT NULL, wall REAL NOT NULL);
        CREATE INDEX entries_by_order ON entries (order_id);
        CREATE TABLE unfinished (order_id TEXT PRIMARY KEY) WITHOUT ROWID;
        PRAGMA application_id = 1095912241;
        PRAGMA user_version = 1;
        INSERT INTO unfinished VALUES ('cs_1'), ('cs_3');
        """
    )
    stored: list[tuple[str, str, str, int, int, int, str]] = [
        ("credits left", "", "", 0, 0, 4, ""),
        ("claim", "cs_1", "mine", 0, 0, 0, ""),
        ("claimed", "cs_1", "", 2, 2, 0, ""),
        ("pulse begins", "cs_1", "", 0, 0, 1, ""),
        ("pulse over", "cs_1", "", 0, 0, 1, ""),
        ("forgiven", "cs_1", "", 0, 0, 1, ""),
        ("claim", "cs_2", "other", 0, 0, 0, ""),
        ("refused", "cs_2", "", 0, 0, 0, "claim refused"),
        ("claim", "cs_3", "third", 0, 0, 0, ""),
        ("claimed", "cs_3", "", 1, 1, 0, ""),
        ("settle", "cs_3", "", 0, 0, 0, "not in the journal"),
        ("settled", "cs_3", "", 0, 0, 0, ""),
    ]
    db.executemany(
        "INSERT INTO entries (kind, order_id, claim_id, credits, pulses, n, note, boot_id,"
        " monotonic, wall) VALUES (?,?,?,?,?,?,?,'boot',1.0,2.0)",
        stored,
    )
    db.close()
    entries = files.journal().open()
    assert entries == tuple(Entry(Kind(row[0]), *row[1:]) for row in stored)
    assert {entry.kind for entry in entries} == set(Kind) - {Kind.POWER_LOST, Kind.NOT_FORGIVEN}
    book = order_book.fold(entries)
    assert (list(book.unfinished), book.credits_left) == (["cs_1"], 5)


def test_writing_before_opening_is_refused(files: Files) -> None:
    with pytest.raises(JournalError, match="not open"):
        files.journal().append(CLAIM)


def test_each_entry_carries_its_boot_and_both_clocks(files: Files) -> None:
    journal = files.journal()
    journal.open()
    journal.append(CLAIM)
    journal.close()
    with sqlite3.connect(files.path) as db:
        assert db.execute("SELECT boot_id, monotonic, wall FROM entries").fetchall() == [
            ("boot", 1.0, 2.0)
        ]
    db.close()


def spoil(files: Files, how: str) -> None:
    """Makes a journal with an order, and does to it what a bad card does."""
    journal = files.journal()
    journal.open()
    for number in range(200):
        journal.append(Entry(Kind.CREDITS_LEFT, number=number, note="x" * 300))
    journal.append(CLAIM)
    journal.close()
    size = files.path.stat().st_size
    with files.path.open("r+b") as file:
        match how:
            case "torn":
                file.seek(size // 2)
                file.write(os.urandom(4096))
            case "truncated":
                file.truncate(size - 4096 * 3 - 100)
            case "head overwritten":
                file.write(b"\0" * 512)
    if how == "nonsense":
        with sqlite3.connect(files.path) as db:
            db.execute("UPDATE entries SET kind = 'settled' WHERE kind = 'claim'")
        db.close()
    if how == "from the future":
        with sqlite3.connect(files.path) as db:
            db.execute("PRAGMA user_version = 99")
        db.close()


DAMAGES = ("torn", "truncated", "head overwritten", "from the future")


@pytest.mark.parametrize("how", DAMAGES)
def test_a_damaged_journal_is_refused_with_the_way_out(files: Files, how: str) -> None:
    spoil(files, how)
    with pytest.raises(JournalDamaged, match="kiosk new-journal"):
        files.journal().open()


def test_a_journal_that_makes_no_sense_is_kept_with_all_its_entries(files: Files) -> None:
    spoil(files, "nonsense")
    kept = set_aside(files.path)
    assert [entry.kind for entry, _ in read(kept)][-1] is Kind.SETTLED
    assert len(list(read(kept))) == 201
    assert files.journal().open() == ()


@pytest.mark.parametrize("how", DAMAGES)
def test_a_damaged_journal_is_kept_whole_and_a_new_one_begun(files: Files, how: str) -> None:
    spoil(files, how)
    before = files.path.read_bytes()
    kept = set_aside(files.path)
    assert kept.name == "journal.db.damaged-1"
    assert kept.read_bytes() == before
    journal = files.journal()
    assert journal.open() == ()
    journal.append(CLAIM)
    assert files.again() == (CLAIM,)


def test_a_second_damaged_journal_does_not_replace_the_first(files: Files) -> None:
    for number in (1, 2):
        spoil(files, "from the future")
        assert set_aside(files.path).name == f"journal.db.damaged-{number}"


def test_a_journal_in_order_is_not_set_aside(files: Files) -> None:
    files.journal().open()
    files.made[0].append(CLAIM)
    files.made[0].close()
    with pytest.raises(JournalError, match="in order"):
        set_aside(files.path)
    assert files.again() == (CLAIM,)


def test_a_journal_in_use_is_not_set_aside(files: Files) -> None:
    files.journal().open()
    with pytest.raises(JournalInUse):
        set_aside(files.path)


def test_nothing_is_set_aside_where_nothing_is(files: Files) -> None:
    with pytest.raises(JournalError, match="there is no journal"):
        set_aside(files.path)


def test_another_programs_database_is_not_set_aside(files: Files) -> None:
    files.path.parent.mkdir()
    with sqlite3.connect(files.path) as db:
        db.execute("CREATE TABLE photos (name)")
    db.close()
    with pytest.raises(JournalError, match="another program's database"):
        set_aside(files.path)
    assert files.path.exists()


def test_people_read_every_entry_while_the_kiosk_runs(files: Files) -> None:
    journal = files.journal()
    journal.open()
    journal.append(*WHOLE)
    assert [entry for entry, _ in read(files.path)] == list(WHOLE)
    journal.append(Entry(Kind.CREDITS_LEFT, number=0))


def test_reading_what_is_not_there_or_not_right_is_one_sentence(files: Files) -> None:
    with pytest.raises(JournalError, match="there is no journal"):
        list(read(files.path))
    files.path.parent.mkdir()
    files.path.write_bytes(b"no database, but long enough to look at" * 100)
    with pytest.raises(JournalDamaged, match="not a database"):
        list(read(files.path))


def test_a_power_cut_is_known_by_the_boot_of_the_last_entry(files: Files) -> None:
    journal = files.journal()
    journal.open()
    journal.append(CLAIM)
    journal.open()
    assert not journal.power_was_lost  # the process began again, the machine did not
    journal.close()
    later = files.journal(boot="another boot")
    later.open()
    assert later.power_was_lost
    later.append(Entry(Kind.CREDITS_LEFT, number=0))
    later.open()
    assert not later.power_was_lost


@pytest.mark.parametrize(("before", "after"), [("", "boot 2"), ("boot 1", ""), ("", "")])
def test_a_system_without_boot_ids_never_lost_power(files: Files, before: str, after: str) -> None:
    journal = files.journal(boot=before)
    journal.open()
    journal.append(CLAIM)
    journal.close()
    later = files.journal(boot=after)
    later.open()
    assert not later.power_was_lost


def test_the_boot_id_does_not_change_while_the_machine_is_on() -> None:
    assert boot_id() == boot_id()
