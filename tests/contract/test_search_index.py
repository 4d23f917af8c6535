"""The search index: what it knows is what reading would find, and what it does not know is read."""

import psycopg
import pytest

from mailcore.errors import MailError
from mailcore.mailbox import indexing, search_index, search_text, statements, words
from mailcore.mailbox import mailbox as mailboxes
from mailcore.mailbox.account import create_mailbox, delete_mailbox
from mailcore.mailbox.candidates import candidates
from mailcore.mailbox.rebuild import rebuild_account
from mailcore.mailbox.search import search
from mailcore.mailbox.search_keys import And, Body, Header, Not, Or, Text
from mailcore.mailbox.statements import POSTINGS
from mailcore.message import casemap
from tests.contract.mailbox_support import a_message, an_owner, connect


@pytest.fixture
def owner(database_url, mail_home, monkeypatch):
    monkeypatch.setattr(search_index, "_FEW", 0)
    with an_owner(database_url, mail_home) as owner:
        yield owner


@pytest.fixture
def reading(owner, monkeypatch):
    """The keys of all messages that are read from now on."""
    read: list[str] = []
    store = type(owner.storage.store(owner.account))
    real = store.read_each

    def noting(self, mailbox, messages, **limits):
        read.extend(key for key, _ in messages)
        return real(self, mailbox, messages, **limits)

    monkeypatch.setattr(store, "read_each", noting)
    return read


def index(owner, name="INBOX"):
    while indexing.extend(owner.conn, owner.storage, owner.account, owner.record(name).id):
        pass


def found(owner, key, name="INBOX"):
    opened = owner.open(name, read_only=True)
    return search(owner.conn, owner.storage, owner.account, opened.record, key, opened.uids)


def blocks(owner, name="INBOX"):
    """The blocks of one kind of text: first and last UID, and whether they are full."""
    return owner.conn.execute(
        "SELECT first_uid, last_uid, is_full FROM search_segment WHERE mailbox_id = %s AND field = 2 ORDER BY 1",
        [owner.record(name).id],
    ).fetchall()


def test_an_indexed_text_is_found_without_reading(owner, reading):
    owner.append(a_message("one", "a quokka sat\n"))
    owner.append(a_message("two", "nothing\n"))
    index(owner)
    reading.clear()

    assert found(owner, Body("quok")) == [1]
    assert found(owner, Text("UOKKA")) == [1]
    assert found(owner, Text("wombat")) == []
    assert not reading


def test_a_phrase_is_read_only_where_its_words_are(owner, reading):
    for body in ("see you soon\n", "you see\n", "see\nyou\n", "soon\n"):
        owner.append(a_message("Hello", body))
    index(owner)
    reading.clear()

    assert found(owner, Body("see you")) == [1]
    assert len(reading) == 3


def test_what_came_later_is_read(owner, reading):
    owner.append(a_message("one", "a quokka\n"))
    index(owner)
    owner.append(a_message("two", "another quokka\n"))
    reading.clear()

    assert found(owner, Body("quokka")) == [1, 2]
    assert len(reading) == 1


def test_what_is_gone_is_not_found(owner):
    first, second = (owner.append(a_message("one", "quokka\n")) for _ in range(2))
    index(owner)
    mailboxes.expunge(owner.conn, owner.storage, owner.account, owner.record(), [first], only_deleted=False)

    assert found(owner, Body("quokka")) == [second]


def test_header_searches_use_the_index_too(owner, reading):
    owner.append(a_message("A quokka", "x\n"))
    owner.append(a_message("Nothing", "quokka\n"))
    index(owner)
    reading.clear()

    assert found(owner, Header("Subject", "quokka")) == [1]
    assert found(owner, Header("From", "ann <ann@")) == [1, 2]
    assert not reading
    assert found(owner, Header("X-None", "quokka")) == []
    assert len(reading) == 1


@pytest.fixture
def asked(owner):
    """The questions to the index from now on."""

    class Noting(psycopg.Cursor):
        def execute(self, query, *args, **kwargs):
            if query == statements.SEGMENTS:
                questions.append(args[0])
            return super().execute(query, *args, **kwargs)

    questions: list[dict] = []
    owner.conn.cursor_factory = Noting
    return questions


def a_word(value):
    """What webmail looks for."""
    return Or(Header("Subject", value), Or(Header("From", value), Header("To", value)))


def test_a_text_is_asked_for_once_in_whatever_fields_it_is_looked_for(owner, asked):
    for subject in ("A quokka", "Nothing", "Quokkas"):
        owner.append(a_message(subject, "x\n"))
    index(owner)

    assert found(owner, a_word("quokka")) == [1, 3]
    assert len(asked) == 1
    assert found(owner, And((a_word("quokka"), a_word("wombat")))) == []
    assert len(asked) == 3


def test_of_two_texts_the_rare_one_decides_what_is_read(owner, reading):
    for number in range(10):
        owner.append(a_message(f"Hello {number}", "see you soon\n" if number != 6 else "see you soon, quokka\n"))
    index(owner)
    reading.clear()

    assert found(owner, And((Body("see you"), Body("quokka")))) == [7]
    assert found(owner, And((Body("you soon"), Header("Subject", "6")))) == [7]
    assert found(owner, And((Body("see you"), Or(Body("quokka"), Body("wombat")), Not(Body("soon,"))))) == []
    assert len(reading) == 3


def test_what_is_not_indexed_is_a_candidate_whatever_is_looked_for(owner):
    for subject in ("A quokka", "Nothing"):
        owner.append(a_message(subject, f"{subject}\n"))
    index(owner)
    owner.append(a_message("Later", "later\n"))

    def left(key):
        return candidates(search_index.TextIndex(owner.conn, owner.record().id), key, {1, 2, 3})

    for key in (a_word("quokka"), Body("quokka"), Text("quokka"), Header("X-Any", "a quokka")):
        assert left(key) == {1, 3}
    assert left(And((Body("quokka"), Body("nothing")))) == {3}
    assert left(Or(Body("quokka"), Body("nothing"))) == {1, 2, 3}
    assert left(Not(Body("quokka"))) == {1, 2, 3}
    assert left(Body("")) == {1, 2, 3}


def test_what_a_search_remembers_is_bounded(owner, asked, monkeypatch):
    owner.append(a_message("A quokka", "x\n"))
    index(owner)
    known = search_index.TextIndex(owner.conn, owner.record().id)

    for number in range(2 * search_index.MOST_REMEMBERED):
        known.look_up([search_index.TextField.BODY], f"word{number}", {1})
    assert len(known._answers) == search_index.MOST_REMEMBERED
    monkeypatch.setattr(search_index, "_MOST_FOUND", 0)
    known = search_index.TextIndex(owner.conn, owner.record().id)
    assert known.look_up([search_index.TextField.ENVELOPE], "QUOKKA", {1}).found == {1}
    assert not known._answers


def test_what_is_remembered_of_some_messages_says_nothing_of_others(owner, monkeypatch):
    monkeypatch.setattr(indexing, "MOST_MESSAGES", 1)
    for _ in range(3):
        owner.append(a_message("A quokka", "x\n"))
    index(owner)
    known = search_index.TextIndex(owner.conn, owner.record().id)

    for among in ({2}, {2, 3}, {3}, {1}, {1, 2, 3}, {2}):
        answer = known.look_up([search_index.TextField.ENVELOPE], "QUOKKA", among)
        assert among <= answer.covered and among <= answer.found


def test_the_last_block_grows_until_it_is_full(owner, monkeypatch):
    monkeypatch.setattr(indexing, "MOST_MESSAGES", 3)
    for number in range(2):
        owner.append(a_message(f"message {number}", "quokka\n"))
    index(owner)
    assert blocks(owner) == [(1, 2, False)]

    for number in range(2, 7):
        owner.append(a_message(f"message {number}", "quokka\n"))
    index(owner)

    assert blocks(owner) == [(1, 3, True), (4, 6, True), (7, 7, False)]
    assert found(owner, Body("quokka")) == [1, 2, 3, 4, 5, 6, 7]


def test_a_block_ends_where_it_has_enough_words(owner, monkeypatch, reading):
    monkeypatch.setattr(words, "MOST_OCTETS", 100)
    monkeypatch.setattr(indexing, "_AT_ONCE", 1)
    for number in range(4):
        owner.append(a_message("Hello", " ".join(f"word{number}-{n}" for n in range(20)) + "\n"))
    index(owner)
    reading.clear()

    assert [is_full for _, _, is_full in blocks(owner)].count(True) == 4
    assert found(owner, Body("word2-7")) == [3]
    assert not reading


def test_a_block_without_messages_is_dropped(owner, monkeypatch):
    monkeypatch.setattr(indexing, "MOST_MESSAGES", 2)
    for number in range(4):
        owner.append(a_message(f"message {number}", "quokka\n"))
    index(owner)
    mailboxes.expunge(owner.conn, owner.storage, owner.account, owner.record(), [1, 2], only_deleted=False)
    owner.append(a_message("new", "quokka\n"))
    index(owner)

    assert [first for first, _, _ in blocks(owner)] == [3, 5]


def test_a_very_long_text_is_always_read(owner, monkeypatch, reading):
    monkeypatch.setattr(indexing, "_LONGEST_TEXT", 100)
    owner.append(a_message("long", "".join(f"word{n}\n" for n in range(100)) + "quokka\n"))
    owner.append(a_message("short", "quokka\n"))
    index(owner)
    reading.clear()

    assert found(owner, Body("quokka")) == [1, 2]
    assert len(reading) == 1


def test_a_block_that_is_replaced_while_it_is_searched_is_not_believed(owner, monkeypatch, database_url):
    owner.append(a_message("one", "quokka\n"))
    index(owner)

    class Replaced(psycopg.Connection):
        def execute(self, query, *arguments, **options):
            if query is POSTINGS:
                owner.conn.execute("DELETE FROM search_segment")
            return super().execute(query, *arguments, **options)

    with Replaced.connect(database_url, autocommit=True) as conn:
        opened = owner.open(read_only=True)

        assert search(conn, owner.storage, owner.account, opened.record, Body("quokka"), opened.uids) == [1]


def test_two_workers_do_not_index_the_same_twice(owner, monkeypatch, database_url):
    owner.append(a_message("one", "quokka\n"))
    real = indexing._write

    def overtaken(conn, *arguments):
        monkeypatch.setattr(indexing, "_write", real)
        with connect(database_url) as other:
            assert indexing.extend(other, owner.storage, owner.account, owner.record().id)
        return real(conn, *arguments)

    monkeypatch.setattr(indexing, "_write", overtaken)

    assert not indexing.extend(owner.conn, owner.storage, owner.account, owner.record().id)
    assert blocks(owner) == [(1, 1, False)]


def test_the_index_goes_with_the_mailbox(owner):
    create_mailbox(owner.conn, owner.storage, owner.account, "Projects")
    owner.append(a_message("one", "quokka\n"), mailbox="Projects")
    index(owner, "Projects")

    delete_mailbox(owner.conn, owner.storage, owner.account, "Projects")

    assert owner.conn.execute("SELECT count(*) FROM search_segment").fetchone() == (0,)


def test_a_mailbox_deleted_while_it_is_indexed(owner, monkeypatch):
    create_mailbox(owner.conn, owner.storage, owner.account, "Projects")
    owner.append(a_message("one", "quokka\n"), mailbox="Projects")
    mailbox_id, real = owner.record("Projects").id, indexing._write

    def too_late(conn, *arguments):
        delete_mailbox(owner.conn, owner.storage, owner.account, "Projects")
        return real(conn, *arguments)

    monkeypatch.setattr(indexing, "_write", too_late)

    assert not indexing.extend(owner.conn, owner.storage, owner.account, mailbox_id)
    assert not indexing.extend(owner.conn, owner.storage, owner.account, mailbox_id)


def test_forgetting_the_cache_forgets_the_index(owner):
    owner.append(a_message("one", "quokka\n"))
    index(owner)

    rebuild_account(owner.conn, owner.storage, owner.account)
    assert blocks(owner)
    rebuild_account(owner.conn, owner.storage, owner.account, forget_cache=True)

    assert not blocks(owner)
    assert found(owner, Body("quokka")) == [1]


def test_what_fetch_asks_for_is_remembered_by_the_way(owner, reading):
    owner.append(a_message("A quokka", "x\n"))
    index(owner)
    reading.clear()

    [row] = mailboxes.cached_rows(owner.conn, owner.storage, owner.account, owner.record(), None)

    assert b"A quokka" in row.envelope
    assert not reading


def test_mailboxes_that_are_behind_are_found_when_they_are_calm(owner):
    for number in range(3):
        owner.append(a_message(f"message {number}", "quokka\n"))
    here = (owner.record().id, owner.account)

    def behind(at_least, calm_s):
        return [(mailbox_id, account) for mailbox_id, account in indexing.behind(
            owner.conn, 10, at_least=at_least, calm_s=calm_s
        )]  # fmt: skip

    assert behind(3, 0) == [here]
    assert behind(4, 0) == []
    assert behind(3, 60) == []
    index(owner)
    assert behind(1, 0) == []


def test_a_store_that_is_away_is_an_error_and_no_empty_block(owner, monkeypatch):
    owner.append(a_message("one", "quokka\n"))
    store = type(owner.storage.store(owner.account))

    def away(self, mailbox, messages, **limits):
        raise MailError("away")

    monkeypatch.setattr(store, "read_each", away)

    with pytest.raises(MailError):
        index(owner)
    assert not blocks(owner)


def renew(owner):
    return indexing.renew(owner.conn, owner.storage, owner.account, owner.record().id)


def stale_blocks(owner):
    return owner.conn.execute(
        "SELECT first_uid, last_uid FROM search_segment WHERE field = 2 AND fold_version = 0 ORDER BY 1"
    ).fetchall()


@pytest.fixture
def outdated(owner, monkeypatch):
    """Ten messages, indexed by the rule before this one: words in small letters."""
    monkeypatch.setattr(indexing, "MOST_MESSAGES", 3)
    monkeypatch.setattr(indexing, "_AT_ONCE", 1)
    for number in range(10):
        owner.append(a_message("Hello", f"quokka{number} sat\n"))
    with monkeypatch.context() as before:
        before.setattr(casemap, "VERSION", 0)
        before.setattr(search_text, "fold", str.casefold)
        index(owner)
    return owner


def test_words_of_an_older_rule_are_not_asked_and_renewed_newest_first(outdated, reading):
    owner = outdated
    assert stale_blocks(owner) == [(1, 3), (4, 6), (7, 9), (10, 10)]
    left = []

    while True:
        reading.clear()
        assert found(owner, Body("QUOKKA")) == list(range(1, 11))
        assert found(owner, Body("quokka7")) == [8]
        left.append(len(reading) // 2)
        if not renew(owner):
            break

    assert left == [10, 9, 6, 3, 0]
    assert stale_blocks(owner) == []


def test_new_messages_of_a_stale_block_bring_it_up_to_date(outdated, reading):
    outdated.append(a_message("Hello", "quokka11 sat\n"))
    index(outdated)

    assert stale_blocks(outdated) == [(1, 3), (4, 6), (7, 9)]
    assert found(outdated, Body("quokka11")) == [11]


def test_words_that_take_more_room_by_now_make_more_blocks(outdated, reading, monkeypatch):
    monkeypatch.setattr(words, "MOST_OCTETS", 5)

    while renew(outdated):
        pass

    assert len(blocks(outdated)) == 10
    assert [last for _, last, _ in blocks(outdated)] == list(range(1, 11))
    reading.clear()
    assert found(outdated, Body("quokka7")) == [8]
    assert not reading


def test_a_block_of_which_messages_are_gone_is_renewed_too(outdated, reading):
    uids = [4, 5, 6, 8]
    mailboxes.expunge(outdated.conn, outdated.storage, outdated.account, outdated.record(), uids, only_deleted=False)

    while renew(outdated):
        pass
    reading.clear()

    assert found(outdated, Body("quokka")) == [1, 2, 3, 7, 9, 10]
    assert not reading


def test_somebody_else_was_quicker_to_renew(outdated, monkeypatch):
    real = indexing._Block.read

    def meanwhile(block, *arguments):
        monkeypatch.setattr(indexing._Block, "read", real)
        assert renew(outdated)
        real(block, *arguments)

    monkeypatch.setattr(indexing._Block, "read", meanwhile)

    assert not renew(outdated)
    assert stale_blocks(outdated) == [(1, 3), (4, 6), (7, 9)]


def test_who_has_stale_blocks(outdated):
    assert [mailbox_id for mailbox_id, _ in indexing.stale(outdated.conn, 5)] == [outdated.record().id]

    while renew(outdated):
        pass

    assert indexing.stale(outdated.conn, 5) == []


def test_stale_blocks_are_looked_for_without_reading_the_others(owner):
    """It is asked every twenty seconds, of all mailboxes there are."""
    conn, values = owner.conn, {"mailbox_id": owner.record().id, "fold_version": casemap.VERSION, "most": 20}
    conn.execute(
        "INSERT INTO search_segment (mailbox_id, field, first_uid, last_uid, is_full, fold_version, uids, words,"
        " offsets, postings) SELECT %(mailbox_id)s, field, n, n, true, %(fold_version)s, '', '', '', ''"
        " FROM generate_series(1, 2000) n, generate_series(0, 2) field",
        values,
    )
    conn.execute("ANALYZE search_segment")

    plan = "\n".join(line for (line,) in conn.execute(f"EXPLAIN {statements.STALE}", values))

    assert "Index Cond: (fold_version <" in plan and "Seq Scan on search_segment" not in plan, plan


def test_the_stale_block_of_an_empty_mailbox_goes(owner):
    index(owner, "Sent")
    owner.conn.execute("UPDATE search_segment SET fold_version = 0")
    sent = owner.record("Sent")
    assert blocks(owner, "Sent") == [(1, 0, False)]

    assert indexing.renew(owner.conn, owner.storage, owner.account, sent.id)

    assert not indexing.renew(owner.conn, owner.storage, owner.account, sent.id)
    assert indexing.stale(owner.conn, 5) == []
