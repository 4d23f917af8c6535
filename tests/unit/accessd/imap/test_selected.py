"""The view of a selected mailbox: numbers that stand still until the client is told."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accessd.imap.grammar.sequence_set import parse_sequence_set
from accessd.imap.grammar.tokens import BadSyntax
from accessd.imap.selected import MOST_KNOWN, View
from mailcore.identity import AccountRef
from mailcore.index.records import Changes, FlagRow, MailboxRecord, OpenMailbox
from mailcore.message.flags import SEEN

OWNER = AccountRef(1, "ann@mail.test")
DAY = datetime(2024, 1, 1, tzinfo=UTC)


def view_of(*uids: int, first_recent_uid: int = 1000, read_only: bool = False) -> View:
    uidnext = max(uids, default=0) + 1
    record = MailboxRecord(1, 1, "INBOX", 7, uidnext, 10, first_recent_uid, "", len(uids), 0, 0)
    return View(OpenMailbox(record, list(uids), first_recent_uid), owner=OWNER, read_only=read_only)


def row(uid: int, modseq: int = 11, flags: int = 0, keywords: tuple[str, ...] = ()) -> FlagRow:
    return FlagRow(uid, modseq, flags, list(keywords), 100, DAY)


def told(view: View, *, expunge: bool = True) -> bytes:
    return b"".join(view.flush(expunge=expunge, with_modseq=False))


def test_new_messages_are_told_with_exists_and_recent() -> None:
    view = view_of(3, 5)

    view.take(Changes(11, 8, [row(7), row(6)]))

    assert told(view) == b"* 4 EXISTS\r\n* 0 RECENT\r\n"
    assert list(view.uids) == [3, 5, 6, 7]
    assert (view.modseq, view.uidnext) == (11, 8)
    assert told(view) == b""


def test_expunges_wait_until_they_may_be_told() -> None:
    view = view_of(3, 5, 8, 9)

    view.take(Changes(11, 10, [], [5, 9]))

    assert told(view, expunge=False) == b""
    assert view.sequence_number(8) == 3
    assert told(view) == b"* 4 EXPUNGE\r\n* 2 EXPUNGE\r\n"
    assert view.sequence_number(8) == 2


def test_new_messages_are_told_while_expunges_wait() -> None:
    view = view_of(3, 5)
    view.take(Changes(11, 6, [], [3]))
    view.take(Changes(12, 7, [row(6, 12)]))

    assert told(view, expunge=False) == b"* 3 EXISTS\r\n* 0 RECENT\r\n"
    assert told(view) == b"* 1 EXPUNGE\r\n"
    assert list(view.uids) == [5, 6]


def test_a_message_that_came_and_went_unseen_is_not_told() -> None:
    view = view_of(3)

    view.take(Changes(12, 6, [], [4, 5]))

    assert told(view) == b""
    assert view.uidnext == 6


def test_an_expunge_and_an_arrival_leave_the_right_count() -> None:
    view = view_of(3, 5)

    view.take(Changes(12, 7, [row(6)], [3]))

    assert told(view) == b"* 1 EXPUNGE\r\n* 2 EXISTS\r\n* 0 RECENT\r\n"


def test_flags_are_told_with_new_keywords_first() -> None:
    view = view_of(3, 5)

    view.take(Changes(11, 6, [row(5, flags=SEEN, keywords=("work",))]))

    assert told(view) == (
        b"* FLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft work)\r\n"
        b"* OK [PERMANENTFLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft work \\*)] Flags permitted\r\n"
        b"* 2 FETCH (UID 5 FLAGS (\\Seen work))\r\n"
    )


def test_flags_of_an_expunged_message_are_not_told() -> None:
    view = view_of(3, 5)
    view.take(Changes(11, 6, [row(5)]))
    view.take(Changes(12, 6, [], [5]))

    assert told(view) == b"* 2 EXPUNGE\r\n"


def test_removals_that_nobody_remembers_are_told_by_what_is_left() -> None:
    view = view_of(3, 5, 8)
    view.take(Changes(12, 10, [row(9)], present=[5, 9]))

    assert told(view) == b"* 3 EXPUNGE\r\n* 1 EXPUNGE\r\n* 2 EXISTS\r\n* 0 RECENT\r\n"
    assert list(view.uids) == [5, 9]


def test_the_own_change_is_not_told_again() -> None:
    view = view_of(3)

    view.take_own(11)

    assert view.modseq == 11


def test_the_own_change_is_told_again_if_somebody_came_in_between() -> None:
    """After .SILENT: others may have given the message flags that the client knows nothing of."""
    view = view_of(3)

    view.take_own(12)
    assert view.modseq == 10
    view.take(Changes(12, 4, [row(3, 12)]))

    assert told(view) == b"* 1 FETCH (UID 3 FLAGS ())\r\n"


def test_what_a_store_has_shown_is_not_told_again_whoever_came_in_between() -> None:
    view = view_of(3, 5)

    view.take_own(12, [row(3, 12, SEEN)])
    assert view.modseq == 10
    view.take(Changes(12, 6, [row(3, 12, SEEN), row(5, 11)]))

    assert told(view) == b"* 2 FETCH (UID 5 FLAGS ())\r\n"
    assert (view.modseq, view.certain_modseq) == (12, 12)


def test_what_has_changed_since_it_was_shown_is_told() -> None:
    view = view_of(3)

    view.take_own(12, [row(3, 12, SEEN)])
    view.take(Changes(13, 4, [row(3, 13)]))
    view.take_own(15, [row(3, 15, SEEN)])
    view.take(Changes(16, 4, [row(3, 16)]))

    assert told(view) == b"* 1 FETCH (UID 3 FLAGS ())\r\n"


def test_what_waited_to_be_told_is_not_told_after_something_newer() -> None:
    """NOTIFY may have asked for no changes of flags until now."""
    view = view_of(3, 5)
    view.take(Changes(11, 6, [row(3), row(5)]))

    view.take_own(12, [row(3, 12, SEEN)])

    assert told(view) == b"* 2 FETCH (UID 5 FLAGS ())\r\n"


def test_keywords_the_client_has_not_heard_of_are_told() -> None:
    view = view_of(3)

    view.take_own(12, [row(3, 12, keywords=("new",))])
    view.take(Changes(12, 4, [row(3, 12, keywords=("new",))]))

    assert told(view).startswith(b"* FLAGS (")


def test_so_many_that_were_shown_are_remembered_and_no_more() -> None:
    uids = range(1, MOST_KNOWN + 2)
    view = view_of(*uids)

    view.take_own(12, [row(uid, 12) for uid in uids])
    view.take(Changes(12, uids[-1] + 1, [row(uid, 12) for uid in uids]))

    assert told(view).count(b"FETCH") == len(uids)


def test_sequence_numbers_that_do_not_exist_are_an_error_uids_are_not() -> None:
    view = view_of(3, 5, 8)

    assert list(view.select(parse_sequence_set(b"2:*"), by_uid=False)) == [5, 8]
    assert list(view.select(parse_sequence_set(b"1,3"), by_uid=False)) == [3, 8]
    assert list(view.select(parse_sequence_set(b"4:7,99"), by_uid=True)) == [5]
    with pytest.raises(BadSyntax):
        view.select(parse_sequence_set(b"1:4"), by_uid=False)


def test_star_is_the_last_uid_even_below_the_set() -> None:
    assert list(view_of(3, 5).select(parse_sequence_set(b"100:*"), by_uid=True)) == [5]


def test_an_empty_mailbox() -> None:
    view = view_of()

    assert list(view.select(parse_sequence_set(b"1:*"), by_uid=True)) == []
    with pytest.raises(BadSyntax):
        view.select(parse_sequence_set(b"*"), by_uid=False)


def test_a_read_only_view_permits_no_flags() -> None:
    assert view_of(read_only=True).permanent_flags_line() == (
        b"* OK [PERMANENTFLAGS ()] No permanent flags permitted\r\n"
    )


@given(
    st.lists(st.tuples(st.sampled_from(["new", "gone", "flags", "told", "told without expunge"]), st.integers(0, 9)))
)
def test_a_client_that_applies_what_it_is_told_has_the_same_count(steps: list[tuple[str, int]]) -> None:
    """A client that knows only numbers counts EXISTS up and EXPUNGE down, and ends with the mailbox's UIDs."""
    view = view_of(1, 2, 3)
    truth, client, modseq, uidnext = [1, 2, 3], 3, 10, 4
    for step, number in steps:
        modseq += 1
        if step == "new":
            truth.append(uidnext)
            view.take(Changes(modseq, uidnext + 1, [row(uidnext, modseq)]))
            uidnext += 1
        elif step == "gone" and truth:
            view.take(Changes(modseq, uidnext, [], [truth.pop(number % len(truth))]))
        elif step == "flags" and truth:
            view.take(Changes(modseq, uidnext, [row(truth[number % len(truth)], modseq)]))
        else:
            client = apply(client, told(view, expunge=step == "told"))
    client = apply(client, told(view))

    assert client == len(truth)
    assert list(view.uids) == truth


def apply(count: int, text: bytes) -> int:
    for line in text.splitlines():
        words = line.split()
        if words[2] == b"EXISTS":
            assert int(words[1]) >= count, "EXISTS may not shrink"
            count = int(words[1])
        elif words[2] == b"EXPUNGE":
            assert 1 <= int(words[1]) <= count
            count -= 1
        elif words[2] == b"FETCH":
            assert 1 <= int(words[1]) <= count
    return count


def test_who_has_enabled_qresync_hears_uids_instead_of_numbers() -> None:
    view = view_of(3, 5, 8, 9)

    view.take(Changes(11, 10, [], [5, 8, 9]))

    assert view.flush(expunge=True, with_modseq=True, vanished=True) == [b"* VANISHED 5,8:9\r\n"]
    assert (len(view), view.certain_modseq) == (1, 11)


def test_a_message_that_was_never_told_does_not_vanish() -> None:
    view = view_of(3)
    view.take(Changes(11, 6, [row(5)], []))

    view.take(Changes(12, 6, [], [5]))

    assert view.flush(expunge=True, with_modseq=True, vanished=True) == []


def test_while_a_removal_is_held_back_a_later_modseq_is_corrected() -> None:
    """RFC 7162 section 6: a client that is cut off then must ask for what happened since before the removal."""
    view = view_of(3, 5)
    view.take(Changes(12, 6, [row(5, 12)], [3]))

    told = view.flush(expunge=False, with_modseq=True)

    assert told == [b"* 2 FETCH (UID 5 FLAGS () MODSEQ (12))\r\n"]
    assert view.end_of_command() == b"HIGHESTMODSEQ 10"
    assert view.end_of_command() == b"", "only where something was told"
    view.flush(expunge=True, with_modseq=True)
    assert view.certain_modseq == 12


def test_a_modseq_beyond_what_is_known_asks_for_a_look() -> None:
    view = view_of(3)
    view.note_told(10)
    assert not view.has_run_ahead

    view.note_told(12)

    assert view.has_run_ahead
    view.take(Changes(12, 4))
    assert not view.has_run_ahead
    assert view.end_of_command() == b""


def test_after_vanished_the_client_is_told_from_where_on_to_ask() -> None:
    view = view_of(3, 5)
    view.take(Changes(12, 6, [], [3]))

    view.flush(expunge=True, with_modseq=True, vanished=True)

    assert view.end_of_command() == b"HIGHESTMODSEQ 12"
    assert view.end_of_command() == b""


def test_a_command_that_names_numbers_keeps_them() -> None:
    """UID SEARCH 1:2 ends before the client hears of removals (RFC 7162 section 3.2.10.2)."""
    view = view_of(3, 5)
    view.take(Changes(12, 6, [], [3]))
    view.keep_numbers()

    assert told(view) == b""
    view.end_of_command()
    assert told(view) == b"* 1 EXPUNGE\r\n"


def test_the_view_learns_the_name_its_mailbox_has_got() -> None:
    """Else every look at its folder would look for the old one."""
    view = view_of(3)

    view.take(Changes(10, 4, record=view.record._replace(name="Renamed")))

    assert view.record.name == "Renamed"


def test_who_has_enabled_rev2_hears_nothing_of_recent() -> None:
    """RFC 9051 appendix E, item 12."""
    view = view_of(1, 2, first_recent_uid=2)

    view.hide_recent()
    view.take(Changes(11, 4, [row(3), row(2)]))

    assert told(view) == b"* 3 EXISTS\r\n* 2 FETCH (UID 2 FLAGS ())\r\n"
    assert view.recent == 0
