"""NOTIFY (RFC 5465) over mailboxes of others, and over two processes; transcripts show the rest."""

import pytest

from tests.fixtures_servers import Servers
from tests.integration.imap_server import (  # noqa: F401
    ImapServer,
    RawClient,
    imap_process_of_module,
    imap_server,
)
from tests.integration.test_imap_processes import two_processes

MESSAGE = b"From: Ann <ann@imap.test>\r\nSubject: Hello\r\n\r\nHello\r\n"
EVENTS = b"(MessageNew MessageExpunge FlagChange MailboxName)"


class Pair:
    """An owner with a mailbox Work, and a reader who follows all that is the owner's."""

    def __init__(self, imap: ImapServer, rights: str = "") -> None:
        self.reader_name = imap.account()
        owner_name = imap.account()
        self.owner, self.reader = imap.login(owner_name), imap.login(self.reader_name)
        self.owner.ok(b"CREATE Work")
        self.top, self.work = f"user/{owner_name}".encode(), f"user/{owner_name}/Work".encode()
        if rights:
            self.give(rights)

    def give(self, rights: str, who: str = "") -> None:
        self.owner.ok(f"SETACL Work {who or self.reader_name} {rights or chr(34) * 2}".encode())

    def follow(self, events: bytes = EVENTS) -> list[bytes]:
        return self.reader.ok(b"NOTIFY SET STATUS (subtree %b %b)" % (self.top, events)).untagged

    def told(self, beginning: bytes) -> bytes:
        """The next response; it must begin so."""
        line = self.reader.read_line()
        assert line.startswith(beginning), line
        return line


def test_new_mail_in_a_mailbox_of_somebody_else(imap: ImapServer) -> None:
    pair = Pair(imap, "lr")
    assert pair.follow()[0].startswith(b"* STATUS %b (MESSAGES 0 " % pair.work)

    pair.owner.append(b"Work", MESSAGE)

    pair.told(b"* STATUS %b (MESSAGES 1 UIDNEXT 2" % pair.work)


def test_who_may_see_a_mailbox_but_not_read_it_is_told_so_and_nothing_of_its_messages(imap: ImapServer) -> None:
    """RFC 5465 section 3.1: \\NoAccess. When the right comes, so do the events (section 5.9)."""
    pair = Pair(imap, "l")

    assert pair.follow() == [b'* LIST (\\HasNoChildren \\NoAccess) "/" %b\r\n' % pair.work]
    pair.owner.append(b"Work", MESSAGE)
    pair.give("lr")

    pair.told(b"* STATUS %b (MESSAGES 1 " % pair.work)


@pytest.mark.parametrize("who", ["", "anyone", "authenticated"])
def test_a_mailbox_comes_and_goes_with_the_right_to_see_it(imap: ImapServer, who: str) -> None:
    """Also to a session that has never seen anything of the owner's: it waits in IDLE, and nobody else says a word."""
    pair = Pair(imap)
    assert pair.follow(b"(MailboxName MessageNew MessageExpunge)") == []
    pair.reader.send(b"idle IDLE\r\n")
    pair.told(b"+ ")

    pair.give("lr", who)
    pair.told(b'* LIST (\\NonExistent \\HasChildren) "/" %b\r\n' % pair.top)
    pair.told(b'* LIST (\\HasNoChildren) "/" %b\r\n' % pair.work)
    pair.owner.append(b"Work", MESSAGE)
    pair.told(b"* STATUS %b (MESSAGES 1 " % pair.work)
    pair.give("", who)
    pair.told(b'* LIST (\\NonExistent \\HasNoChildren) "/" %b\r\n' % pair.top)
    pair.told(b'* LIST (\\NonExistent \\HasNoChildren) "/" %b\r\n' % pair.work)
    pair.reader.send(b"DONE\r\n")
    pair.reader.read_answer(b"idle")

    # Nothing is told of it any more: the next thing said is the answer to a command.
    pair.owner.append(b"Work", MESSAGE)
    assert pair.reader.ok(b"NOOP").untagged == []


def test_who_may_not_see_a_mailbox_hears_nothing_of_its_name(imap: ImapServer) -> None:
    pair = Pair(imap)

    answer = pair.reader.ok(b"NOTIFY SET STATUS (mailboxes %b %b)" % (pair.work, EVENTS))
    pair.owner.ok(b"RENAME Work Secret")

    assert answer.untagged == []
    assert pair.reader.ok(b"NOOP").untagged == []


@pytest.mark.parametrize("redis_is_there", [True, False])
def test_events_come_from_another_process(servers: Servers, tmp_path, redis_is_there: bool) -> None:
    """Without Redis by looking, once a second for all."""
    url = servers.empty_valkey_database() if redis_is_there else "redis://127.0.0.1:1/0"
    with two_processes(servers, tmp_path, url) as (one, other):
        address = one.account()
        follower, writer = one.login(address), other.login(address)
        follower.ok(b"NOTIFY SET (personal (MailboxName SubscriptionChange MessageNew MessageExpunge))")

        writer.ok(b"CREATE Plans")
        assert follower.read_line() == b'* LIST (\\HasNoChildren) "/" Plans\r\n'
        writer.append(b"Plans", MESSAGE)
        assert follower.read_line().startswith(b"* STATUS Plans (MESSAGES 1 UIDNEXT 2")
        writer.ok(b"SUBSCRIBE Plans")
        assert follower.read_line() == b'* LIST (\\HasNoChildren \\Subscribed) "/" Plans\r\n'


def test_a_connection_that_is_lost_leaves_nothing_behind(imap: ImapServer) -> None:
    """Its hints go nowhere, and the others' sessions go on."""
    address = imap.account()
    lost, writer = imap.login(address), imap.login(address)
    lost.ok(b"NOTIFY SET (personal (MailboxName MessageNew MessageExpunge))")
    lost.close()
    imap.clients.remove(lost)

    writer.append(b"INBOX", MESSAGE)
    writer.ok(b"CREATE After")

    assert writer.ok(b"NOOP").untagged == []
