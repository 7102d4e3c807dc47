"""Positions survive a restart, a restore is proved by them, and lag is never negative."""

import pytest

from region_operator.errors import InvalidInput
from region_operator.replication.model import START, Cursor, Incarnation, Resume, Seen, resume

ONE, TWO, THREE = Incarnation("one", 1), Incarnation("two", 121), Incarnation("three", 101)


def test_a_cursor_is_text_between_programs():
    assert Cursor.parse(str(Cursor("6f0c9a51e2b7d833", 42))) == Cursor("6f0c9a51e2b7d833", 42)
    assert Cursor.parse("") is START


@pytest.mark.parametrize("text", ["42", ":", "a:", ":4", "a:-1", "a:x", "a:٤", "a: 1"])
def test_what_is_no_cursor_is_refused(text):
    with pytest.raises(InvalidInput, match="no position"):
        Cursor.parse(text)


@pytest.mark.rule("ENGINE 12")
@pytest.mark.parametrize(
    ("cursor", "history", "head", "resumed"),
    [
        (START, [ONE], 0, Resume(Cursor("one", 0))),
        (Cursor("one", 50), [ONE], 90, Resume(Cursor("one", 50))),
        (Cursor("one", 50), [ONE, TWO], 130, Resume(Cursor("two", 50))),
        (Cursor("one", 120), [ONE, TWO], 120, Resume(Cursor("two", 120))),
        (Cursor("one", 120), [ONE, THREE], 100, Resume(Cursor("three", 100), lost=True)),
        (Cursor("one", 100), [ONE, THREE], 100, Resume(Cursor("three", 100))),
        (Cursor("one", 91), [ONE], 90, Resume(Cursor("one", 90), lost=True)),
        (Cursor("two", 150), [ONE, THREE], 100, Resume(Cursor("three", 0), lost=True)),
    ],
)
def test_a_restart_is_seamless_and_a_restore_is_told_by_the_cursor(cursor, history, head, resumed):
    assert resume(cursor, history=history, head=head) == resumed


@pytest.mark.rule("ENGINE 12")
@pytest.mark.parametrize(
    ("lsn", "known", "at"), [(150, [ONE, TWO], 100), (150, [Incarnation("else", 1)], 0), (90, [ONE, THREE, TWO], 90)]
)
def test_a_forgotten_incarnation_is_resumed_at_the_end_of_the_last_common_one(lsn, known, at):
    resumed = resume(Cursor("two", lsn), history=[ONE, THREE], known=known, head=130)
    assert resumed == Resume(Cursor("three", at), lost=True)


@pytest.mark.rule("ENGINE 12")
@pytest.mark.parametrize(
    ("seen", "history", "head", "resumed"),
    [
        (Seen(50, 50), [ONE, THREE], 100, Resume(Cursor("three", 50))),
        (Seen(20, 100), [ONE, THREE], 100, Resume(Cursor("three", 50))),
        # What it read reflects what is lost, so rows may lie behind its cursor that it never got.
        (Seen(20, 101), [ONE, THREE], 100, Resume(Cursor("three", 20), lost=True)),
        (Seen(20, 91), [ONE], 90, Resume(Cursor("one", 20), lost=True)),
        (Seen(20, 91), [THREE], 130, Resume(Cursor("three", 0), lost=True)),
    ],
)
def test_who_was_catching_up_when_the_source_was_restored_goes_back_to_where_it_had_everything(
    seen, history, head, resumed
):
    assert resume(Cursor("one", 50), history=history, head=head, seen=seen) == resumed


def test_a_receiver_has_everything_whenever_it_has_reached_the_head():
    seen = Seen().after(30, head=90)
    assert seen == Seen(whole=0, head=90)
    assert seen.after(60, head=80) == Seen(whole=0, head=90)
    assert seen.after(95, head=95) == Seen(whole=95, head=95)
    assert seen.after(40, head=50, rewound=True) == Seen(whole=40, head=40)


def test_a_page_that_left_out_what_is_not_versioned_yet_is_not_the_whole():
    seen = Seen(whole=20, head=20).after(30, head=30, unfolded=True)
    assert seen == Seen(whole=20, head=31)
    assert seen.after(30, head=30) == Seen(whole=20, head=31)
    assert seen.after(31, head=31) == Seen(whole=31, head=31)


def test_a_source_that_has_no_history_cannot_be_resumed():
    with pytest.raises(ValueError, match="incarnation"):
        resume(START, history=[], head=0)


@pytest.mark.rule("ENGINE 12")
def test_a_reader_of_a_source_that_leaves_rows_out_is_not_sure_of_what_lies_behind_it():
    assert Seen(whole=20, head=20).after(30, head=30, leaves_out=True) == Seen(whole=20, head=30)
    assert Seen(whole=20, head=30).after(40, head=40) == Seen(whole=40, head=40)
