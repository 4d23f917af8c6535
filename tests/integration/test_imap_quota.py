"""QUOTA over IMAP (RFC 9208): roots, resources with a limit, OVERQUOTA, what EXPUNGE would give back."""

import re

from tests.integration.imap_server import ImapServer, imap_process_of_module, imap_server  # noqa: F401

MESSAGE = b"From: Ann <ann@imap.test>\r\nSubject: Hello\r\n\r\n" + b"x" * 2000 + b"\r\n"


def limited(imap: ImapServer, *, size: int = 0, messages: int = 0) -> str:
    address = imap.account(quota_bytes=size)
    imap.execute("UPDATE account SET quota_messages = %s WHERE address = %s", (messages, address))
    return address


def test_only_resources_with_a_limit_are_listed(imap: ImapServer):
    for limits, shown in (
        ({}, b"()"),
        ({"size": 10_240}, b"(STORAGE 2 10)"),
        ({"messages": 7}, b"(MESSAGE 1 7)"),
        ({"size": 10_240, "messages": 7}, b"(STORAGE 2 10 MESSAGE 1 7)"),
    ):
        client = imap.login(limited(imap, **limits))
        client.append(b"Sent", MESSAGE)

        assert client.ok(b'GETQUOTA ""').text == b'* QUOTA "" %b\r\n' % shown
        answer = client.ok(b"GETQUOTAROOT INBOX")
        assert answer.text == b'* QUOTAROOT INBOX ""\r\n* QUOTA "" %b\r\n' % shown


def test_no_such_root_and_no_such_mailbox(imap: ImapServer):
    client = imap.login(imap.account())

    assert b"[NONEXISTENT]" in client.command(b'GETQUOTA "user/nobody@imap.test"').tagged
    assert b"[NONEXISTENT]" in client.command(b"GETQUOTAROOT Nothing").tagged
    assert b"[NOPERM]" in client.command(b'SETQUOTA "" (STORAGE 512)').tagged


def test_the_quota_of_messages_is_kept(imap: ImapServer):
    client = imap.login(limited(imap, messages=3))
    client.append(b"INBOX", MESSAGE)
    client.append(b"Sent", MESSAGE)
    client.ok(b"SELECT INBOX")
    client.ok(b"COPY 1 Archive")

    assert client.command(b"COPY 1 Archive").tagged.split()[1:3] == [b"NO", b"[OVERQUOTA]"]
    assert client.append(b"INBOX", MESSAGE).tagged.split()[1:3] == [b"NO", b"[OVERQUOTA]"]
    # What stays within the account needs no room.
    client.ok(b"MOVE 1 Archive")


def test_several_messages_at_once_count_together(imap: ImapServer):
    client = imap.login(limited(imap, messages=2))
    upload = b" {%d+}\r\n%b" % (len(MESSAGE), MESSAGE)

    assert b"[OVERQUOTA]" in client.command(b"APPEND INBOX" + upload * 3).tagged
    assert b"APPENDUID" in client.command(b"APPEND INBOX" + upload * 2).tagged


def test_the_quota_of_a_shared_mailbox_is_its_owners(imap: ImapServer):
    owner_name, reader_name = limited(imap, size=5_000), imap.account()
    owner, reader = imap.login(owner_name), imap.login(reader_name)
    there, root = f"user/{owner_name}/Archive".encode(), f"user/{owner_name}".encode()
    assert b"[NONEXISTENT]" in reader.command(b'GETQUOTA "%b"' % root).tagged
    owner.ok(f"SETACL Archive {reader_name} lri".encode())

    answer = reader.ok(b"GETQUOTAROOT " + there)
    assert answer.text == b'* QUOTAROOT %b "%b"\r\n* QUOTA "%b" (STORAGE 0 4)\r\n' % (there, root, root)
    assert reader.ok(b'GETQUOTA "%b"' % root).text == b'* QUOTA "%b" (STORAGE 0 4)\r\n' % root
    reader.append(b"INBOX", MESSAGE)
    reader.ok(b"SELECT INBOX")
    reader.ok(b"COPY 1 " + there)
    reader.ok(b"COPY 1 " + there)
    assert b"[OVERQUOTA]" in reader.command(b"MOVE 1 " + there).tagged
    assert b"[OVERQUOTA]" in reader.append(there, MESSAGE).tagged


def test_status_tells_what_expunge_would_give_back(imap: ImapServer):
    client = imap.login(imap.account())
    client.append(b"INBOX", MESSAGE)
    client.append(b"INBOX", MESSAGE, rb"(\Deleted)")

    answer = client.ok(b"STATUS INBOX (DELETED DELETED-STORAGE)")

    assert answer.text == b"* STATUS INBOX (DELETED 1 DELETED-STORAGE %d)\r\n" % len(MESSAGE)
    answer = client.ok(b'LIST "" (INBOX Sent) RETURN (STATUS (DELETED-STORAGE))')
    assert re.findall(rb"STATUS (\w+) \(DELETED-STORAGE (\d+)\)", answer.text) == [
        (b"INBOX", b"%d" % len(MESSAGE)),
        (b"Sent", b"0"),
    ]


def test_mailboxes_have_a_limit(imap: ImapServer) -> None:
    """RFC 5530 section 3: LIMIT. Appending to a mailbox that is there goes on, and so does deleting."""
    address = imap.account()
    client = imap.login(address)
    imap.execute(
        "INSERT INTO mailbox (account_id, name, uidvalidity, uidnext, highestmodseq, first_recent_uid, special_use,"
        " messages, unseen, size)"
        " SELECT id, 'many' || n, 1, 1, 1, 1, '', 0, 0, 0 FROM account, generate_series(1, 9994) n WHERE address = %s",
        (address,),
    )

    refused = [client.command(command) for command in (b"CREATE more", b"RENAME Archive a/b", b"RENAME INBOX old")]

    assert [answer.tagged.split(b" ", 1)[1] for answer in refused] == [b"NO [LIMIT] Too many mailboxes\r\n"] * 3
    client.append(b"INBOX", b"Subject: x\r\n\r\n")
    client.ok(b"DELETE Junk")
    client.ok(b"CREATE more")


def test_subscriptions_have_a_limit(imap: ImapServer) -> None:
    address = imap.account()
    client = imap.login(address)
    imap.execute(
        "INSERT INTO subscription (account_id, name)"
        " SELECT id, 'many' || n FROM account, generate_series(1, 9994) n WHERE address = %s",
        (address,),
    )

    refused = client.command(b"SUBSCRIBE more")

    assert refused.tagged.endswith(b"NO [LIMIT] Too many subscriptions\r\n")
    client.ok(b"SUBSCRIBE many1")
    client.ok(b"UNSUBSCRIBE many1")
    client.ok(b"SUBSCRIBE more")
