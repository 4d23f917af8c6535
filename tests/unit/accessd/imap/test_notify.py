"""NOTIFY (RFC 5465): what is asked for, and what is told of the difference between two pictures."""

import asyncio
import time
from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any

import pytest

from accessd.imap import notify as notify_module
from accessd.imap import notify_everybody
from accessd.imap.grammar.notify import Notify, Which, notify
from accessd.imap.grammar.tokens import BadSyntax, Scanner
from accessd.imap.notify import Notifier, TooMuchToFollow
from accessd.imap.notify_events import NameEvent, name_events, status_items
from accessd.imap.notify_everybody import EverybodyWatch
from accessd.imap.notify_interest import Interest, messages_followed, unreadable
from accessd.imap.notify_picture import Picture, Seen, attributes, take_picture
from mailcore.identity import AccountRef
from mailcore.index.index import mailboxes_of
from mailcore.index.records import MailboxRecord
from mailcore.sharing.rights import ALL

MESSAGES = "MessageNew MessageExpunge"


def parsed(arguments: str) -> Notify:
    scanner = Scanner(f" {arguments}".encode())
    command = notify(scanner)
    scanner.end()
    assert isinstance(command, Notify)
    return command


def interest(groups: str) -> Interest:
    return Interest(parsed(f"SET {groups}").groups or ())


def record(mailbox_id: int, name: str, messages: int = 0, *, unseen: int = 0, modseq: int = 1) -> MailboxRecord:
    return MailboxRecord(mailbox_id, 1, name, 7, messages + 1, modseq, 1, "", messages, unseen, 0)


def picture(*names: str, subscribed: Sequence[str] = (), **others: str) -> Picture:
    """Mailboxes by number, from 1 on; `others` are somebody else's with these rights."""
    seen = {key: Seen(record(key, name), ALL, is_own=True) for key, name in enumerate(names, 1)}
    for key, (name, rights) in enumerate(others.items(), 101):
        seen[key] = Seen(record(key, f"user/{name}"), rights, is_own=False)
    return Picture(seen, frozenset(subscribed))


def test_everything_the_grammar_has() -> None:
    command = parsed(
        "SET STATUS (selected (MessageNew (UID BODY.PEEK[HEADER.FIELDS (From)]) MessageExpunge flagchange))"
        ' (subtree (Lists "a b") (MessageNew MessageExpunge)) (mailboxes INBOX (mailboxname)) (personal NONE)'
    )

    assert command.status
    assert command.groups is not None
    selected, lists, inbox, personal = command.groups
    assert selected.which is Which.SELECTED
    assert selected.events == {"MessageNew", "MessageExpunge", "FlagChange"}
    assert len(selected.items) == 2
    assert (lists.which, lists.names) == (Which.SUBTREE, ("Lists", "a b"))
    assert (inbox.names, inbox.events) == (("INBOX",), {"MailboxName"})
    assert personal.events == frozenset()
    assert parsed("none") == Notify(None)


@pytest.mark.parametrize(
    "arguments",
    [
        "",
        "SET",
        "SET STATUS",
        "SET  (personal (MailboxName))",
        "SET (personal)",
        "SET (personal ())",
        "SET (everything (MailboxName))",
        "SET (mailboxes (MailboxName))",
        "SET (subtree a b (MailboxName))",
        "SET (personal (MessageNew))",
        "SET (personal (MessageExpunge))",
        "SET (personal (FlagChange))",
        "SET (personal (AnnotationChange))",
        "SET (personal (MessageNew (UID) MessageExpunge))",
        f"SET (selected ({MESSAGES} MailboxName))",
        f"SET (selected ({MESSAGES})) (selected-delayed ({MESSAGES}))",
        "SET (selected (MessageNew () MessageExpunge))",
        "NONE (personal (MailboxName))",
        "STATUS",
    ],
)
def test_what_is_an_error(arguments: str) -> None:
    with pytest.raises(BadSyntax):
        parsed(arguments)


@pytest.mark.parametrize(
    ("groups", "followed"),
    [
        (f"(personal ({MESSAGES}))", {1, 2, 3}),
        (f"(inboxes ({MESSAGES}))", {1, 2, 3}),
        (f"(subscribed ({MESSAGES}))", {2, 101}),
        (f"(subtree Lists ({MESSAGES}))", {2, 3}),
        (f"(subtree List ({MESSAGES}))", set()),
        (f"(mailboxes (INBOX Lists nowhere user/bob) ({MESSAGES}))", {1, 2, 101}),
        ("(personal (MailboxName))", set()),
        (f"(personal NONE) (mailboxes INBOX ({MESSAGES}))", {1}),
        (f"(selected ({MESSAGES}))", set()),
    ],
)
def test_which_mailboxes_are_followed(groups: str, followed: set[int]) -> None:
    seen = picture("INBOX", "Lists", "Lists/one", subscribed=["Lists", "user/bob"], bob="lr", eve="l", tom="")

    assert set(messages_followed(interest(groups), seen)) == followed


def test_what_may_be_listed_but_not_read_is_named() -> None:
    seen = picture("INBOX", bob="lr", eve="l")

    assert unreadable(interest(f"(subtree user ({MESSAGES}))"), seen) == ["user/eve"]


@pytest.mark.parametrize(
    ("events", "condstore", "items"),
    [
        (MESSAGES, False, ()),
        (f"{MESSAGES} FlagChange", False, ("UNSEEN", "UIDVALIDITY")),
        (f"{MESSAGES} FlagChange", True, ("UNSEEN", "HIGHESTMODSEQ", "UIDVALIDITY")),
        (MESSAGES, True, ()),
    ],
)
def test_flags_are_told_to_who_asked_for_them(events: str, condstore: bool, items: tuple[str, ...]) -> None:
    before, now = record(1, "a", 3, unseen=2), record(1, "a", 3, unseen=1, modseq=2)

    assert status_items(before, now, frozenset(events.split()), condstore=condstore) == items


def test_new_messages_are_told_with_the_modseq_to_who_keeps_it() -> None:
    before, now = record(1, "a", 3), record(1, "a", 4, modseq=2)
    events = frozenset(MESSAGES.split())

    assert status_items(before, now, events, condstore=False) == ("MESSAGES", "UIDNEXT", "UIDVALIDITY")
    assert status_items(before, now, events, condstore=True) == ("MESSAGES", "UIDNEXT", "HIGHESTMODSEQ", "UIDVALIDITY")
    assert status_items(now, now._replace(uidvalidity=8), frozenset([*events, "FlagChange"]), condstore=False) == (
        "UIDVALIDITY",
    )


def told(groups: str, before: Picture, now: Picture) -> list[NameEvent]:
    return name_events(interest(groups), before, now)


def test_a_mailbox_that_is_made_or_deleted_concerns_the_one_above_it() -> None:
    before, now = picture("INBOX", "a"), picture("INBOX", "a", "a/b")

    assert told("(personal (MailboxName))", before, now) == [NameEvent("a"), NameEvent("a/b")]
    assert told("(personal (MailboxName))", now, before) == [NameEvent("a"), NameEvent("a/b")]
    assert told("(mailboxes a/b (MailboxName))", before, now) == [NameEvent("a/b")]
    assert told("(personal (SubscriptionChange))", before, now) == []
    assert attributes(now)("a") == ("\\HasChildren",)
    assert attributes(before)("a/b") == ("\\NonExistent", "\\HasNoChildren")


def test_what_is_below_a_renamed_mailbox_came_along() -> None:
    before, now = picture("INBOX", "a", "a/b", "a/b/c", "d"), picture("INBOX", "x/y", "x/y/b", "x/y/b/other", "d")

    assert told("(personal (MailboxName))", before, now) == [
        NameEvent("x/y", "a"),
        NameEvent("x/y/b/other", "a/b/c"),
    ]
    assert told("(subtree a (MailboxName))", before, now)[0] == NameEvent("x/y", "a"), "it was asked about"


def test_a_subscription_is_told_with_what_is_so_of_the_mailbox() -> None:
    before, now = picture("INBOX", "a"), picture("INBOX", "a", subscribed=["a", "gone"])

    assert told("(personal (SubscriptionChange))", before, now) == [NameEvent("a"), NameEvent("gone")]
    assert told("(subscribed (SubscriptionChange))", now, before) == [NameEvent("a"), NameEvent("gone")]
    assert attributes(now)("a") == ("\\HasNoChildren", "\\Subscribed")
    assert attributes(now)("gone") == ("\\NonExistent", "\\HasNoChildren", "\\Subscribed")


def test_a_mailbox_of_others_comes_and_goes_with_the_right_to_see_it() -> None:
    before, now = picture("INBOX"), picture("INBOX", bob="lr")

    assert told("(subtree user (MailboxName))", before, now) == [NameEvent("user"), NameEvent("user/bob")]
    assert told("(personal (MailboxName))", before, now) == []


class Hub:
    def __init__(self) -> None:
        self.watched: dict[int, Any] = {}
        self.accounts: set[int] = set()

    def watch(self, mailbox_id: int, watcher: Any) -> None:
        self.watched[mailbox_id] = watcher

    def unwatch(self, mailbox_id: int, watcher: Any) -> None:
        assert self.watched.pop(mailbox_id) is watcher

    def watch_account(self, account_id: int, watcher: Any) -> None:
        self.accounts.add(account_id)

    def unwatch_account(self, account_id: int, watcher: Any) -> None:
        self.accounts.remove(account_id)


class Session:
    """What a Notifier needs of a session, and an index in memory that counts the questions."""

    def __init__(self, *names: str) -> None:
        self.picture = picture(*names)
        self.asked: list[Callable[..., Any]] = []
        self.pokes = 0
        self.poked = asyncio.Event()
        self.context = SimpleNamespace(hub=Hub(), offload=self._offload)
        self.connection = SimpleNamespace(poke=self._poke)
        self.reader = AccountRef(1, "ann@mail.test")
        self.view = None
        self.utf8 = self.condstore = False

    async def _offload(self, unit: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
        self.asked.append(unit)
        if unit is take_picture:
            return self.picture
        assert unit is mailboxes_of
        return [self.picture.mailboxes[key].record for key in arguments[0] if key in self.picture.mailboxes]

    def _poke(self) -> None:
        self.pokes += 1
        self.poked.set()

    def put(self, mailbox_id: int, now: MailboxRecord) -> None:
        self.picture = Picture(
            {**self.picture.mailboxes, mailbox_id: Seen(now, ALL, is_own=True)}, self.picture.subscribed
        )


async def following(session: Session, groups: str) -> Notifier:
    notifier = Notifier(session, interest(groups))  # type: ignore[arg-type]
    await notifier.start()
    assert await notifier.tell() == []
    notifier._not_before = 0.0
    session.asked.clear()
    return notifier


def test_one_question_tells_of_all_mailboxes_that_have_changed() -> None:
    async def run() -> None:
        session = Session("INBOX", "a", "b", "c")
        notifier = await following(session, f"(personal ({MESSAGES}))")
        for key, name in ((1, "INBOX"), (3, "b")):
            session.put(key, record(key, name, 1))
            session.context.hub.watched[key].notify()
        session.context.hub.watched[2].notify()

        assert session.pokes >= 3
        assert notifier.is_due()
        told = b"".join(await notifier.tell())

        assert session.asked == [mailboxes_of]
        assert told.count(b"* STATUS") == 2
        assert b"* STATUS b (MESSAGES 1 UIDNEXT 2 UIDVALIDITY 7)\r\n" in told
        notifier.stop()

    asyncio.run(run())


def test_hints_are_gathered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notify_module, "TELL_EVERY_S", 0.01)

    async def run() -> None:
        session = Session("INBOX", "a")
        notifier = await following(session, f"(personal ({MESSAGES}))")
        session.context.hub.watched[1].notify()
        await notifier.tell()
        session.context.hub.watched[2].notify()
        session.poked.clear()

        assert not notifier.is_due(), "too early"
        await asyncio.wait_for(session.poked.wait(), 5)

        assert notifier.is_due(), "and woken when it is time"
        notifier.stop()

    asyncio.run(run())


def test_more_than_a_session_may_follow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notify_module, "MOST_MAILBOXES", 2)

    async def run() -> None:
        session = Session("INBOX", "a", "b")
        notifier = Notifier(session, interest(f"(personal ({MESSAGES}))"))  # type: ignore[arg-type]
        with pytest.raises(TooMuchToFollow):
            await notifier.start()
        assert (session.context.hub.watched, session.context.hub.accounts) == ({}, set())

        session = Session("INBOX", "a")
        notifier = await following(session, f"(personal ({MESSAGES}))")
        session.picture = picture("INBOX", "a", "b")
        notifier.notify_account()
        with pytest.raises(TooMuchToFollow):
            await notifier.tell()

    asyncio.run(run())


def test_no_more_names_are_remembered_than_mailboxes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notify_module, "MOST_MAILBOXES", 3)

    async def run() -> None:
        await following(Session("INBOX"), f"(mailboxes (a b) ({MESSAGES})) (subtree c ({MESSAGES}))")
        session = Session("INBOX")
        notifier = Notifier(session, interest(f"(mailboxes (a b) (mailboxname)) (subtree (c d) ({MESSAGES}))"))  # type: ignore[arg-type]
        with pytest.raises(TooMuchToFollow):
            await notifier.start()
        assert (session.context.hub.watched, session.context.hub.accounts) == ({}, set())

    asyncio.run(run())


def test_at_the_end_nothing_is_registered() -> None:
    async def run() -> None:
        session = Session("INBOX", "a")
        notifier = await following(session, f"(personal ({MESSAGES}))")
        assert set(session.context.hub.watched) == {1, 2}
        session.picture = picture("INBOX")
        notifier.notify_account()
        await notifier.tell()
        assert set(session.context.hub.watched) == {1}

        notifier.stop()

        assert (session.context.hub.watched, session.context.hub.accounts) == ({}, set())

    asyncio.run(run())


def test_rights_of_everybody_are_looked_for_at_once_and_then_every_so_often(monkeypatch: pytest.MonkeyPatch) -> None:
    """One SETACL wakes every session of a domain."""
    monkeypatch.setattr(notify_everybody, "LOOK_EVERY_S", 0.02)

    async def run() -> None:
        hub, looked, now = Hub(), [], asyncio.get_running_loop().time
        again = asyncio.Event()
        watcher = SimpleNamespace(notify_account=lambda: (looked.append(now()), again.set()))
        watch = EverybodyWatch(hub, AccountRef(1, "ann@mail.test"), watcher)  # type: ignore[arg-type]
        for _ in range(2):
            again.clear()
            for _ in range(10):
                watch.notify_account()
            await asyncio.wait_for(again.wait(), 5)
        watch.notify_account()
        watch.stop()

        assert len(looked) == 2
        assert looked[1] - looked[0] >= 0.02
        assert not hub.accounts

    asyncio.run(run())


def test_who_follows_only_the_selected_mailbox_is_registered_nowhere() -> None:
    async def run() -> None:
        session = Session("INBOX", "a")
        notifier = Notifier(session, interest(f"(selected ({MESSAGES}))"))  # type: ignore[arg-type]
        await notifier.start()

        assert (session.asked, session.context.hub.watched, session.context.hub.accounts) == ([], {}, set())

    asyncio.run(run())


def test_many_names_and_groups_cost_once_and_not_for_each_mailbox() -> None:
    """It is done on the event loop: names times mailboxes would be minutes for everybody."""
    tops = " ".join(f"t{number}" for number in range(30_000))
    asked = interest(f"(subtree ({tops}) ({MESSAGES})) (mailboxes ({tops}) (mailboxname))" + " (personal NONE)" * 2000)
    seen = picture(*(f"t{number}/below/it" for number in range(2000)), "t7")
    begin = time.process_time()
    followed = messages_followed(asked, seen)
    assert len(followed) == 2001
    assert followed[2001] == {"MessageNew", "MessageExpunge", "MailboxName"}
    assert time.process_time() - begin < 1


def test_many_names_that_changed_are_described_in_one_go() -> None:
    many = picture(*(f"a/b{number}" for number in range(5000)))
    begin = time.process_time()
    of = attributes(many)
    assert {of(seen.record.name) for seen in many.mailboxes.values()} == {("\\HasNoChildren",)}
    assert time.process_time() - begin < 1
