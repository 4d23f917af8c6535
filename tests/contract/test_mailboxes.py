"""One behaviour of mailboxes over both stores: what IMAP, POP3 and webmail may rely on."""

from datetime import UTC, datetime, timedelta

import pytest

from mailcore.errors import (
    CannotDeleteInbox,
    HasChildren,
    MailboxBelowItself,
    MailboxExists,
    MailboxNameInvalid,
    MailboxNotFound,
    MessageGone,
    OverQuota,
    StoreUnavailable,
    TooManyMailboxes,
    TooManySubscriptions,
)
from mailcore.index.records import DELETED, FLAGGED, SEEN, FlagChange, FlagMode, Flags
from mailcore.mailbox import account as accounts
from mailcore.mailbox import mailbox as mailboxes
from mailcore.mailbox import quota
from mailcore.message.flags import ANSWERED
from mailcore.message.wire import to_wire
from tests.contract.mailbox_support import MESSAGE, Owner, a_message, an_owner, insert_account


@pytest.fixture(params=["maildir", "mbox"])
def owner(request, database_url, mail_home):
    with an_owner(database_url, mail_home, store=request.param) as owner:
        yield owner
        owner.assert_counters()


def store_flags(owner: Owner, uids, mode, *names, unchanged_since=None):
    change = FlagChange(mode, Flags.parse(names))
    return mailboxes.set_flags(owner.conn, owner.storage, owner.account, owner.record(), uids, change, unchanged_since)


def expunge(owner: Owner, uids=None, **how):
    return mailboxes.expunge(owner.conn, owner.storage, owner.account, owner.record(), uids, **how)


def test_a_new_account_has_the_usual_mailboxes(owner):
    uses = {record.name: record.special_use for record in accounts.list_mailboxes(owner.conn, owner.account)}

    assert next(iter(uses)) == "INBOX"
    assert uses == {
        "INBOX": "",
        "Archive": "\\Archive",
        "Drafts": "\\Drafts",
        "Junk": "\\Junk",
        "Sent": "\\Sent",
        "Trash": "\\Trash",
    }
    assert accounts.subscriptions(owner.conn, owner.account) == set(uses)


def test_inbox_is_subscribed_though_a_delivery_made_it_before_the_first_login(owner):
    early = insert_account(owner.conn, "early", store=owner.account.store)
    accounts.ensure_inboxes(owner.conn, [early.id])

    accounts.ensure_account(owner.conn, owner.storage, early)

    names = {record.name for record in accounts.list_mailboxes(owner.conn, early)}
    assert accounts.subscriptions(owner.conn, early) == names >= {"INBOX", "Trash"}


def test_an_account_has_so_many_mailboxes_and_no_more(owner, monkeypatch):
    """Levels above count, and so do those that RENAME makes; what is refused leaves nothing behind."""
    monkeypatch.setattr(accounts, "MOST_MAILBOXES", 8)
    conn, storage, account = owner.conn, owner.storage, owner.account

    with pytest.raises(TooManyMailboxes):
        accounts.create_mailbox(conn, storage, account, "a/b/c")
    accounts.create_mailbox(conn, storage, account, "a/b")
    for refused in (
        lambda: accounts.create_mailbox(conn, storage, account, "c"),
        lambda: accounts.rename_mailbox(conn, storage, account, "a", "d/a"),
        lambda: accounts.rename_mailbox(conn, storage, account, "INBOX", "old"),
    ):
        with pytest.raises(TooManyMailboxes):
            refused()
    accounts.rename_mailbox(conn, storage, account, "a/b", "b")
    names = {record.name for record in accounts.list_mailboxes(conn, account)}

    assert len(names) == 8 and {"a", "b"} <= names
    assert set(storage.store(account).list_mailboxes()) == names


def test_an_account_subscribes_to_so_many_names_and_no_more(owner, monkeypatch):
    before = accounts.subscriptions(owner.conn, owner.account)
    monkeypatch.setattr(accounts, "MOST_SUBSCRIPTIONS", len(before) + 1)

    accounts.set_subscribed(owner.conn, owner.account, "one", True)
    with pytest.raises(TooManySubscriptions):
        accounts.set_subscribed(owner.conn, owner.account, "two", True)
    accounts.set_subscribed(owner.conn, owner.account, "one", True)
    with_one = accounts.subscriptions(owner.conn, owner.account)
    accounts.set_subscribed(owner.conn, owner.account, "one", False)
    accounts.set_subscribed(owner.conn, owner.account, "two", True)

    assert with_one == before | {"one"}
    assert accounts.subscriptions(owner.conn, owner.account) == before | {"two"}


def test_inbox_stays_unsubscribed_when_its_owner_wants_it_so(owner):
    accounts.set_subscribed(owner.conn, owner.account, "INBOX", False)

    accounts.ensure_account(owner.conn, owner.storage, owner.account)

    assert "INBOX" not in accounts.subscriptions(owner.conn, owner.account)


def test_ensure_account_again_changes_nothing_and_brings_back_nothing(owner):
    accounts.delete_mailbox(owner.conn, owner.storage, owner.account, "Junk")
    before = accounts.list_mailboxes(owner.conn, owner.account)

    accounts.ensure_account(owner.conn, owner.storage, owner.account)

    assert accounts.list_mailboxes(owner.conn, owner.account) == before


def test_an_appended_message_is_read_back_in_wire_form_with_flags_and_date(owner):
    at = datetime(2020, 2, 29, 12, 30, 1, tzinfo=UTC)

    uid = owner.append(MESSAGE, "\\Seen", "$Junk", at=at)

    [row] = mailboxes.rows(owner.conn, owner.record().id)
    assert (row.uid, row.flags, row.keywords, row.internal_date) == (uid, SEEN, ["$Junk"], at)
    assert owner.read(uid) == to_wire(MESSAGE)
    assert row.size == len(to_wire(MESSAGE))


def test_uids_grow_and_are_not_reused(owner):
    first = [owner.append() for _ in range(3)]
    store_flags(owner, first, FlagMode.ADD, "\\Deleted")
    expunge(owner)

    later = owner.append()

    assert first == [1, 2, 3]
    assert later == 4


def test_opening_changes_nothing_when_index_and_store_agree(owner):
    owner.append(MESSAGE, "\\Answered", "\\Flagged", "\\Draft", "\\Deleted", "word")
    owner.append()
    before = owner.record()

    opened = owner.open()

    assert opened.uids == [1, 2]
    assert opened.first_unseen_uid == 1
    assert opened.keywords == ("word",)
    assert opened.record.highestmodseq == before.highestmodseq
    assert opened.record.uidvalidity == before.uidvalidity


def test_only_select_takes_recent_away(owner):
    owner.append()

    examined = owner.open(read_only=True)
    selected = owner.open()
    again = owner.open()

    assert (examined.first_recent_uid, selected.first_recent_uid, again.first_recent_uid) == (1, 1, 2)
    assert mailboxes.status(owner.conn, owner.record().id).recent == 0


def test_status_counts(owner):
    owner.append(MESSAGE, "\\Seen")
    owner.append(MESSAGE, "\\Deleted")

    status = mailboxes.status(owner.conn, owner.record().id, count_deleted=True)

    assert (status.messages, status.recent, status.unseen, status.deleted) == (2, 2, 1, 1)
    assert (status.uidnext, status.size) == (3, 2 * len(to_wire(MESSAGE)))


@pytest.mark.parametrize(
    ("mode", "names", "expected"),
    [
        (FlagMode.ADD, ["\\Answered", "new"], ["\\Answered", "\\Seen", "new", "old"]),
        (FlagMode.REMOVE, ["\\Seen", "OLD", "absent"], []),
        (FlagMode.REPLACE, ["\\Flagged", "OLD"], ["\\Flagged", "old"]),
    ],
)
def test_store_changes_flags_in_index_and_store(owner, mode, names, expected):
    uid = owner.append(MESSAGE, "\\Seen", "old")
    modseq = owner.record().highestmodseq

    result = store_flags(owner, [uid], mode, *names)

    assert Flags(result.rows[0].flags, frozenset(result.rows[0].keywords)).names() == expected
    assert result.rows[0].modseq == owner.record().highestmodseq == modseq + 1
    scanned = owner.storage.store(owner.account).scan("INBOX")
    assert [flags.names() for flags in scanned.messages.values()] == [expected]


def test_a_store_that_changes_nothing_raises_no_modseq(owner):
    uid = owner.append(MESSAGE, "\\Seen")
    before = owner.record().highestmodseq

    result = store_flags(owner, [uid], FlagMode.ADD, "\\Seen")

    assert [row.uid for row in result.rows] == [uid]
    assert owner.record().highestmodseq == before


def test_store_unchangedsince_spares_what_changed_later(owner):
    first, second = owner.append(), owner.append()
    seen_at = owner.record().highestmodseq
    store_flags(owner, [second], FlagMode.ADD, "\\Flagged")

    result = store_flags(owner, [first, second], FlagMode.ADD, "\\Seen", unchanged_since=seen_at)

    assert [row.uid for row in result.rows] == [first]
    assert [row.uid for row in result.modified] == [second]
    assert owner.flags() == {first: ["\\Seen"], second: ["\\Flagged"]}


def test_more_keywords_than_a_maildir_can_name_are_kept(owner):
    words = [f"word{number:02}" for number in range(40)]

    uid = owner.append(MESSAGE, *words)
    owner.open()

    assert owner.flags()[uid] == words


def test_expunge_takes_deleted_messages_only(owner):
    uids = [owner.append(a_message(f"message {number}")) for number in range(4)]
    store_flags(owner, [uids[0], uids[2]], FlagMode.ADD, "\\Deleted")

    gone = expunge(owner, [uids[0], uids[1]])
    rest = expunge(owner)

    assert (gone, rest) == ([uids[0]], [uids[2]])
    assert owner.open().uids == [uids[1], uids[3]]
    assert b"message 3" in owner.read(uids[3])


def test_expunge_can_take_messages_without_the_flag(owner):
    uids = [owner.append(), owner.append()]

    assert expunge(owner, [uids[1]], only_deleted=False) == [uids[1]]

    with pytest.raises(MessageGone):
        owner.read(uids[1])


def test_changes_since_tells_new_changed_and_expunged_once(owner):
    kept, doomed = owner.append(), owner.append()
    since = owner.record().highestmodseq
    store_flags(owner, [kept], FlagMode.ADD, "\\Seen")
    new = owner.append()
    expunge(owner, [doomed], only_deleted=False)

    changes = mailboxes.changes_since(owner.conn, owner.record().id, since)
    nothing = mailboxes.changes_since(owner.conn, owner.record().id, changes.highestmodseq)

    assert [row.uid for row in changes.changed] == [kept, new]
    assert (changes.expunged, changes.uidnext) == ([doomed], new + 1)
    assert (nothing.changed, nothing.expunged) == ([], [])


def test_copy_keeps_flags_date_and_content(owner):
    at = datetime(2021, 1, 1, tzinfo=UTC)
    uids = [owner.append(a_message(str(n)), "\\Seen", "word", at=at) for n in range(2)]

    copied = mailboxes.copy(owner.conn, owner.storage, owner.account, owner.record(), uids, "Archive")

    rows = mailboxes.rows(owner.conn, owner.record("Archive").id)
    assert (copied.source, copied.target) == (uids, [row.uid for row in rows])
    assert [(row.flags, row.keywords, row.internal_date) for row in rows] == [(SEEN, ["word"], at)] * 2
    assert owner.read(copied.target[1], "Archive") == to_wire(a_message("1"))
    assert owner.open("Archive").uids == copied.target


def test_copy_to_the_same_mailbox_doubles(owner):
    uid = owner.append()

    copied = mailboxes.copy(owner.conn, owner.storage, owner.account, owner.record(), [uid], "inbox")

    assert (copied.source, copied.target) == ([1], [2])
    assert owner.open().uids == [1, 2]


def test_move_leaves_nothing_behind(owner):
    uids = [owner.append(a_message(str(n)), "\\Flagged") for n in range(3)]

    moved = mailboxes.move(owner.conn, owner.storage, owner.account, owner.record(), uids[:2], "Trash")

    assert owner.open().uids == uids[2:]
    assert owner.open("Trash").uids == moved.target
    assert owner.flags("Trash") == {1: ["\\Flagged"], 2: ["\\Flagged"]}
    assert owner.read(moved.target[0], "Trash") == to_wire(a_message("0"))
    assert mailboxes.changes_since(owner.conn, owner.record().id, 1).expunged == uids[:2]


def test_cached_rows_are_filled_once_and_stay(owner):
    uid = owner.append()

    [first] = mailboxes.cached_rows(owner.conn, owner.storage, owner.account, owner.record(), [uid])
    cached = owner.conn.execute("SELECT envelope, subject, sender FROM message").fetchone()
    [second] = mailboxes.cached_rows(owner.conn, owner.storage, owner.account, owner.record(), None)

    assert b"Hello" in first.envelope
    assert cached == (first.envelope, "Hello", "Ann <ann@mail.test>")
    assert first == second


def test_quota_is_checked_and_counted(database_url, mail_home):
    with an_owner(database_url, mail_home, local="small", quota_bytes=200) as owner:
        owner.append()

        with pytest.raises(OverQuota):
            owner.append(MESSAGE * 3)
        with pytest.raises(OverQuota):
            quota.check(owner.conn, owner.account, 150)
        owner.append()
        with pytest.raises(OverQuota):
            mailboxes.copy(owner.conn, owner.storage, owner.account, owner.record(), [1, 2], "Sent")

        assert quota.usage(owner.conn, owner.account).limit_bytes == 200
        owner.assert_counters()


@pytest.mark.parametrize(
    "name", ["", "/", "A//B", "/A", "A/\x00", "a\nb", "x" * 1001, "日" * 667, "a\u2028b", "\ud800"]
)
def test_a_name_that_cannot_be_is_refused(owner, name):
    with pytest.raises(MailboxNameInvalid):
        accounts.create_mailbox(owner.conn, owner.storage, owner.account, name)
    with pytest.raises(MailboxNotFound):
        accounts.get_mailbox(owner.conn, owner.account, name)


@pytest.mark.parametrize(
    "name",
    ["..", "../../etc", "A/../B", "~", "%s*", "a.b", "a&b", "&AC4-", "Entwürfe/🙂", " x ", "A.lock", "A.sbd", "-rf"],
)
def test_any_other_name_is_just_a_name(owner, mail_home, name):
    accounts.create_mailbox(owner.conn, owner.storage, owner.account, name)

    uid = owner.append(mailbox=name)

    assert owner.open(name).uids == [uid]
    assert name in owner.storage.store(owner.account).list_mailboxes()
    assert {path.name for path in mail_home.parent.iterdir()} == {mail_home.name}


def test_create_makes_missing_levels_above(owner):
    record = accounts.create_mailbox(owner.conn, owner.storage, owner.account, "A/B/C/", "\\Archive")

    assert record.special_use == "\\Archive"
    assert {"A", "A/B", "A/B/C"} <= set(owner.names())
    with pytest.raises(MailboxExists):
        accounts.create_mailbox(owner.conn, owner.storage, owner.account, "A/B")


def test_inbox_is_inbox_in_any_case(owner):
    with pytest.raises(MailboxExists):
        accounts.create_mailbox(owner.conn, owner.storage, owner.account, "iNbOx")
    with pytest.raises(CannotDeleteInbox):
        accounts.delete_mailbox(owner.conn, owner.storage, owner.account, "inbox")

    assert accounts.get_mailbox(owner.conn, owner.account, "Inbox").name == "INBOX"
    assert accounts.create_mailbox(owner.conn, owner.storage, owner.account, "inbox/x").name == "INBOX/x"


def test_delete_takes_messages_with_it_and_the_name_gets_another_uidvalidity(owner):
    first = accounts.create_mailbox(owner.conn, owner.storage, owner.account, "Work")
    owner.append(mailbox="Work")
    accounts.delete_mailbox(owner.conn, owner.storage, owner.account, "Work")

    second = accounts.create_mailbox(owner.conn, owner.storage, owner.account, "Work")

    assert second.uidvalidity > first.uidvalidity
    assert owner.open("Work").uids == []
    assert owner.conn.execute("SELECT count(*) FROM message").fetchone() == (0,)


def test_a_mailbox_with_others_below_it_stays(owner):
    accounts.create_mailbox(owner.conn, owner.storage, owner.account, "A/B")

    with pytest.raises(HasChildren):
        accounts.delete_mailbox(owner.conn, owner.storage, owner.account, "A")
    with pytest.raises(MailboxNotFound):
        accounts.delete_mailbox(owner.conn, owner.storage, owner.account, "C")


def test_rename_takes_those_below_along(owner):
    accounts.create_mailbox(owner.conn, owner.storage, owner.account, "Old/Deep")
    accounts.create_mailbox(owner.conn, owner.storage, owner.account, "Older")
    uid = owner.append(mailbox="Old/Deep")
    uidvalidity = owner.record("Old/Deep").uidvalidity

    accounts.rename_mailbox(owner.conn, owner.storage, owner.account, "Old", "New/Place")

    names = set(owner.names())
    assert {"New", "New/Place", "New/Place/Deep", "Older"} <= names
    assert not {"Old", "Old/Deep"} & names
    assert set(owner.storage.store(owner.account).list_mailboxes()) == names
    assert owner.open("New/Place/Deep").uids == [uid]
    assert owner.record("New/Place/Deep").uidvalidity == uidvalidity


@pytest.mark.parametrize(
    ("old", "new", "error"),
    [
        ("Nothing", "X", MailboxNotFound),
        ("Sent", "Trash", MailboxExists),
        ("Sent", "Sent/Below", MailboxBelowItself),
        ("Sent", "a\nb", MailboxNameInvalid),
    ],
)
def test_rename_refuses(owner, old, new, error):
    before = owner.names()

    with pytest.raises(error):
        accounts.rename_mailbox(owner.conn, owner.storage, owner.account, old, new)

    assert owner.names() == before


def test_renaming_inbox_moves_its_messages_and_keeps_it(owner):
    uids = [owner.append(a_message(str(n)), "\\Seen") for n in range(2)]
    accounts.create_mailbox(owner.conn, owner.storage, owner.account, "INBOX/Below")

    accounts.rename_mailbox(owner.conn, owner.storage, owner.account, "INBOX", "Before 2020")

    assert owner.open().uids == []
    assert owner.flags("Before 2020") == {1: ["\\Seen"], 2: ["\\Seen"]}
    assert owner.read(2, "Before 2020") == to_wire(a_message("1"))
    assert "INBOX/Below" in owner.names()
    assert owner.append() == uids[-1] + 1


def test_subscriptions_are_a_list_of_names(owner):
    accounts.set_subscribed(owner.conn, owner.account, "Not there", True)
    accounts.set_subscribed(owner.conn, owner.account, "Not there", True)
    accounts.set_subscribed(owner.conn, owner.account, "Sent", False)

    names = accounts.subscriptions(owner.conn, owner.account)

    assert "Not there" in names
    assert "Sent" not in names


def test_a_missing_store_is_not_an_empty_one(owner, mail_home):
    owner.append()
    folder = mail_home / "mail" / "mail.test" / "bob"
    folder.rename(folder.with_name("elsewhere"))

    with pytest.raises(StoreUnavailable):
        owner.open()

    folder.with_name("elsewhere").rename(folder)
    assert owner.open().uids == [1]


def test_a_rename_that_died_before_its_commit_loses_nothing_and_locks_nobody_out(owner):
    """The folder has its new name, the rows the old one: what is in it is found again, and the old mailbox is empty."""
    accounts.create_mailbox(owner.conn, owner.storage, owner.account, "Lists")
    owner.append(MESSAGE, mailbox="Lists")
    owner.storage.store(owner.account).rename_mailbox("Lists", "Renamed")

    accounts.ensure_account(owner.conn, owner.storage, owner.account)

    assert owner.open("Lists").uids == []
    assert owner.open("Renamed").uids == [1]
    assert owner.read(1, "Renamed") == to_wire(MESSAGE)


def test_a_folder_another_program_made_becomes_a_mailbox(owner):
    owner.storage.store(owner.account).create_mailbox("From elsewhere")
    owner.storage.store(owner.account).append("From elsewhere", MESSAGE, Flags(FLAGGED))

    accounts.ensure_account(owner.conn, owner.storage, owner.account)

    assert owner.open("From elsewhere").uids == [1]
    assert owner.flags("From elsewhere") == {1: ["\\Flagged"]}


def test_messages_of_others_are_adopted_and_removals_noticed(owner):
    first = owner.append(a_message("ours"))
    opened = owner.open()
    store = owner.storage.store(owner.account)
    [key] = store.scan("INBOX").messages
    at = datetime.now(UTC) - timedelta(days=3)
    added = store.append("INBOX", a_message("theirs"), Flags(ANSWERED, frozenset({"word"})), at)
    store.remove("INBOX", [(key, Flags())])

    changed = mailboxes.refresh(owner.conn, owner.storage, owner.account, owner.record())

    changes = mailboxes.changes_since(owner.conn, owner.record().id, opened.record.highestmodseq)
    assert changed
    assert changes.expunged == [first]
    [row] = changes.changed
    assert (row.uid, row.flags, row.keywords, row.size) == (first + 1, ANSWERED, ["word"], added.size)
    assert abs(row.internal_date - at) < timedelta(seconds=1.1)
    assert b"theirs" in owner.read(row.uid)


def test_a_glance_notices_what_others_added_or_took_away(owner):
    owner.append(a_message("ours"))
    owner.open()
    store = owner.storage.store(owner.account)
    [key] = store.scan("INBOX").messages

    store.append("INBOX", a_message("theirs"))
    mailboxes.glance(owner.conn, owner.storage, owner.account, owner.record())
    assert owner.record().messages == 2

    store.remove("INBOX", [(key, Flags())])
    mailboxes.glance(owner.conn, owner.storage, owner.account, owner.record())
    assert owner.record().messages == 1


def test_flags_of_others_are_adopted(owner):
    uid = owner.append(MESSAGE, "\\Seen", "word")
    owner.open()
    store = owner.storage.store(owner.account)
    [(key, flags)] = store.scan("INBOX").messages.items()
    store.set_flags("INBOX", [(key, flags, Flags(SEEN | DELETED))])

    owner.open()

    assert owner.flags() == {uid: ["\\Deleted", "\\Seen"]}
