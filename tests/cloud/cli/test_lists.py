"""Lists fit a screen, have pages and filters, and are there for programs."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

import pytest

from cloud.cli import listing, output
from cloud.cli.desk import AdminError
from cloud.cli.listing import Column
from cloud.core.cabinets import Incident
from cloud.core.prices import Bonus, PriceList
from tests.fakes.arcade import Arcade

Capture = pytest.CaptureFixture[str]
LONG = "The Galaxy Patrol of the Seventeenth Sector, with two screens and a wheel"


@pytest.fixture
def fleet(arcade: Arcade, capsys: Capture) -> Arcade:
    """Thirty cabinets in two halls, and orders at three of them."""
    for number in range(2, 31):
        prices = PriceList(number * 100, "USD", (Bonus(5, 7), Bonus(3, 4)))
        arcade.add_cabinet(f"a-cabinet-with-a-rather-long-name-{number:02}", prices)
    arcade.type("rename", "cab001", LONG)
    arcade.type("hall", "cab001", "Arcade Nord", "--share", "30")
    for number in range(3):
        order_id = arcade.pay(5)
        arcade.claim(order_id, f"c{number}")
        arcade.settle(order_id, 3, 6, f"c{number}", made=4, forgiven=1)
        arcade.now += 3600
    arcade.type("credit", "cab001", "2", "--reason", "ate a coin", "--request", "r1")
    arcade.claim("free_cab001_r1")
    arcade.settle("free_cab001_r1", 2, 2)
    arcade.pay()
    arcade.now += 121
    arcade.cloud.sweep()
    capsys.readouterr()
    return arcade


def told(arcade: Arcade, capsys: Capture, *words: str) -> list[str]:
    arcade.type(*words)
    return capsys.readouterr().out.splitlines()


def data(arcade: Arcade, capsys: Capture, *words: str) -> Any:
    arcade.type(*words, "--json")
    printed = capsys.readouterr().out
    assert printed.isascii()
    return json.loads(printed)


LISTS = [
    ("list",),
    ("orders",),
    ("problems",),
    ("takings",),
    ("takings", "--by", "hall,cabinet,day,hour"),
    ("takings", "--chart"),
    ("takings", "--chart", "--by", "cabinet,day,hour"),
    ("show", "cab001"),
    ("happy-hours", "cab001"),
]


@pytest.mark.parametrize("words", LISTS, ids=" ".join)
def test_every_list_fits_eighty_columns(
    fleet: Arcade, capsys: Capture, words: tuple[str, ...]
) -> None:
    lines = told(fleet, capsys, *words)
    assert lines
    # An order's whole id is what people copy: it stays whole.
    assert [line for line in lines if listing.width(line) > output.WIDTH] == []


@pytest.mark.parametrize(
    "words", [words for words in LISTS if "--chart" not in words], ids=" ".join
)
def test_every_list_is_there_for_programs(
    fleet: Arcade, capsys: Capture, words: tuple[str, ...]
) -> None:
    assert data(fleet, capsys, *words) is not None


def test_a_list_has_pages_and_none_is_lost_or_doubled(fleet: Arcade, capsys: Capture) -> None:
    seen = []
    page: int | None = 1
    while page is not None:
        found = data(fleet, capsys, "list", "--limit", "7", "--page", str(page))
        assert len(found["items"]) <= 7
        seen += [item["machine_id"] for item in found["items"]]
        page = found["next_page"]
    assert seen == [c.machine_id for c in fleet.ledger.lagging_cabinets()]
    assert told(fleet, capsys, "list", "--limit", "7")[-1] == (
        "there are more: --page 2 shows the next 7"
    )
    assert "there are more" not in " ".join(told(fleet, capsys, "list", "--limit", "0"))


def test_a_page_fits_a_screen(fleet: Arcade, capsys: Capture) -> None:
    assert len(told(fleet, capsys, "list")) <= 24


def test_cabinets_are_found_by_hall_and_state(fleet: Arcade, capsys: Capture) -> None:
    fleet.type("disable", "cab001")
    capsys.readouterr()
    for words in (("--hall", "Arcade Nord"), ("--state", "disabled")):
        found = data(fleet, capsys, "list", *words)["items"]
        assert [item["machine_id"] for item in found] == ["cab001"]
    assert len(data(fleet, capsys, "list", "--state", "silent", "--limit", "0")["items"]) == 29


@pytest.mark.parametrize(
    ("healthy", "after", "state"),
    [(True, 1, "selling"), (False, 1, "troubled"), (True, 601, "silent")],
)
def test_a_cabinet_has_one_of_four_states(
    arcade: Arcade, capsys: Capture, healthy: bool, after: float, state: str
) -> None:
    arcade.ask("/status", {"state": "ready", "version": "1", "healthy": healthy})
    arcade.now += after
    assert data(arcade, capsys, "show", "cab001")["state"] == state


def test_orders_are_found_by_state_and_by_being_free(fleet: Arcade, capsys: Capture) -> None:
    found = data(fleet, capsys, "orders", "--state", "released")["items"]
    assert [item["state"] for item in found] == ["released"]
    found = data(fleet, capsys, "orders", "--free")["items"]
    assert [(item["order_id"], item["note"]) for item in found] == [
        ("free_cab001_r1", "ate a coin")
    ]
    assert found[0]["by"]
    assert len(data(fleet, capsys, "orders", "cab001")["items"]) == 5
    assert data(fleet, capsys, "orders", "nobody")["items"] == []


def test_the_letters_of_an_order_in_the_list_are_enough_for_its_life(
    fleet: Arcade, capsys: Capture
) -> None:
    letters = told(fleet, capsys, "orders")[1].split()[-1]
    assert len(letters) == 8
    assert told(fleet, capsys, "order", letters)[0].startswith("cs_test_1 ")


def test_nothing_that_tells_a_card_or_a_token_is_in_json(fleet: Arcade, capsys: Capture) -> None:
    order_id = fleet.pay(card="fingerprint-1")
    fleet.type("rotate", "cab001")
    capsys.readouterr()
    order, cabinet = fleet.order(order_id), fleet.cabinet()
    fleet.type("order", order_id, "--json")
    fleet.type("orders", "--json")
    fleet.type("show", "cab001", "--json")
    fleet.type("list", "--json")
    printed = capsys.readouterr().out
    secrets = (order.card, order.claim_id, cabinet.token_hash, cabinet.old_token_hash)
    assert [secret for secret in secrets if secret and secret in printed] == []


def test_show_tells_all_that_an_operator_chose(fleet: Arcade, capsys: Capture) -> None:
    fleet.type("statement", "cab001", "GALAXY")
    fleet.type("rotate", "cab001")
    fleet.type(
        "happy-hours", "cab001", "--days", "fri", "--from", "17:00", "--to", "19:00",
        "--price", "0.50", "--zone", "Europe/Berlin",
    )  # fmt: skip
    capsys.readouterr()
    text = " ".join(" ".join(told(fleet, capsys, "show", "cab001")).split())
    chosen = (LONG, "Arcade Nord, 30 %", "GALAXY", "being rotated", "fri 17:00-19:00", "5 get 6")
    assert [part for part in chosen if part not in text] == []


def test_a_new_name_makes_a_new_link_and_the_old_page_does_not_sell(arcade: Arcade) -> None:
    before = arcade.link()
    arcade.stripe.open_tab(before)
    arcade.type("rename", "cab001", "Asteroid Alley")
    assert not arcade.stripe.links[before]["active"]
    assert arcade.stripe.open_sessions == {}
    assert arcade.link() != before


# Takings


def test_takings_are_a_table_with_their_sum(fleet: Arcade, capsys: Capture) -> None:
    lines = [line.split() for line in told(fleet, capsys, "takings", "--by", "cabinet")]
    titles = ["CABINET", "PAID", "PLAYS", "FREE", "BACK", "TAKEN", "HALLS", "REST"]
    assert lines[0] == titles
    sums = ["3", "9", "2", "-", "7.50", "2.25", "5.25", "USD"]
    assert lines[1] == ["cab001", *sums]
    assert lines[-1] == ["in", "all", *sums]


def test_takings_by_hour_are_bars_whose_longest_is_the_most(fleet: Arcade, capsys: Capture) -> None:
    order_id = fleet.pay(10)
    fleet.claim(order_id)
    fleet.settle(order_id, 12, 12)
    lines = told(fleet, capsys, "takings", "--by", "hour", "--chart")
    bars = [line.count("█") for line in lines]
    assert max(bars) == bars[lines.index(next(line for line in lines if "10.00 USD" in line))]
    assert max(bars) > 50
    assert bars[0] == pytest.approx(max(bars) / 4, abs=1)


def test_a_terminal_without_blocks_gets_others(fleet: Arcade) -> None:
    from cloud.cli.takings import chart
    from cloud.core.takings import Takings

    found = [Takings((day,), "USD", charged=amount) for day, amount in (("a", 1), ("b", 100))]
    lines = chart(found, blocks=False)
    assert all(line.isascii() for line in lines)
    assert lines[0].count("#") == 1
    assert chart([Takings(("a",), "USD")]) == ["a  0.00 USD"]
    assert chart([]) == []


def test_takings_as_csv_are_plain_numbers(fleet: Arcade, capsys: Capture) -> None:
    fleet.type("takings", "--by", "hall,cabinet", "--csv")
    [row] = csv.DictReader(io.StringIO(capsys.readouterr().out))
    assert row == {
        "hall": "Arcade Nord", "cabinet": "cab001", "currency": "USD", "payments": "3",
        "plays": "9", "free": "2", "charged": "7.50", "refunded": "0.00", "disputed": "0.00",
        "taken": "7.50", "hall_share": "2.25",
    }  # fmt: skip


def test_takings_are_of_the_time_and_the_cabinets_that_were_asked_for(
    fleet: Arcade, capsys: Capture
) -> None:
    def taken(*words: str) -> int:
        items = data(fleet, capsys, "takings", *words)["items"]
        return sum(item["taken"] for item in items)

    assert taken() == 750
    assert taken("--since", "2h") == 250
    assert taken("--until", "2h") == 500
    assert taken("--hall", "Arcade Nord") == 750
    assert taken("--hall", "Arcade Süd") == 0
    assert taken("cab001") == 750
    assert taken("cab002") == 0
    assert told(fleet, capsys, "takings", "--hall", "x") == ["nothing was taken"]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("takings", "--by", "week"), "--by week must be of"),
        (("takings", "--by", "day,day"), "must be of"),
        (("takings", "--zone", "Mars"), "no time zone"),
        (("takings", "--since", "soon"), "--since soon names no time"),
        (("takings", "--until", "soon"), "--until soon names no time"),
        (("hall", "cab001", "Nord", "--share", "101"), "no share"),
        (("hall", "cab001", "Nord", "--share", "-1"), "no share"),
        (("hall", "cab001", "Nord", "--share", "12.555"), "no share"),
        (("hall", "cab001", "--share", "10"), "needs the hall's name"),
        (("rename", "cab001", "a\nb"), "must be one line"),
        (("show", "cab009"), "no cabinet cab009"),
    ],
)
def test_what_cannot_be_is_one_sentence(
    arcade: Arcade, words: tuple[str, ...], sentence: str
) -> None:
    if words[-1] == "-1":
        words = (*words[:-2], "--share=-1")
    with pytest.raises(AdminError, match=sentence):
        arcade.type(*words)


def test_a_hall_keeps_its_share_and_can_be_left(arcade: Arcade) -> None:
    arcade.type("hall", "cab001", "Nord", "--share", "12.5")
    arcade.type("hall", "cab001", "Süd")
    assert (arcade.cabinet().hall, arcade.cabinet().share_bp) == ("Süd", 1250)
    arcade.type("hall", "cab001")
    assert (arcade.cabinet().hall, arcade.cabinet().share_bp) == ("", 0)


def test_hostile_names_of_a_table_move_no_cursor() -> None:
    lines = listing.lines([Column("A", gives=True)], [["\x1b[2Jx\n\u202eforged"]])
    assert all(line.isprintable() for line in lines)


def test_a_table_counts_wide_letters_as_two() -> None:
    lines = listing.lines(
        [Column("A", gives=True), Column("B", right=True)], [["日本" * 60, "1"], ["x", "22"]]
    )
    assert all(listing.width(line) in (79, 80) for line in lines)
    assert "…" in lines[1]


def test_the_books_are_there_for_programs(fleet: Arcade, capsys: Capture) -> None:
    found = data(fleet, capsys, "reconcile")
    assert found["items"] == []
    assert [(t["machine_id"], t["charged"]) for t in found["tallies"]] == [("cab001", 750)]
    session = fleet.stripe.pay(fleet.link())
    fleet.stripe.created[session] = fleet.now
    fleet.now += 3600
    with pytest.raises(AdminError, match="1 of 1 exceptions are left"):
        fleet.type("reconcile", "--json")
    [item] = json.loads(capsys.readouterr().out)["items"]
    assert (item["order_id"], item["amount"], item["done"]) == (session, 100, "")


def test_problems_of_one_cabinet_can_be_seen_alone(arcade: Arcade, capsys: Capture) -> None:
    for machine_id in ("cab001", "cab002"):
        arcade.ledger.insert(Incident(machine_id, 1, f"{machine_id} is odd", "w", machine_id))
    assert [i["text"] for i in data(arcade, capsys, "problems", "cab002")["items"]] == [
        "cab002 is odd"
    ]
