"""METADATA over IMAP: the dialogues of RFC 5464, on a real accessd."""

import pytest

from tests.integration.imap_server import (  # noqa: F401
    ImapServer,
    RawClient,
    imap_process_of_module,
    imap_server,
)


@pytest.fixture(name="client")
def a_client(imap: ImapServer) -> RawClient:
    return imap.login(imap.account())


def code(client: RawClient, command: bytes) -> bytes:
    answer = client.command(command)
    assert answer.status == "NO", answer.tagged
    return answer.tagged.split(b"[")[1].split(b"]")[0]


def test_set_get_and_remove(client: RawClient):
    client.ok(b"SETMETADATA INBOX (/private/comment {33+}\r\nMy new comment across\r\ntwo lines. /Shared/Comment NIL)")

    answer = client.ok(b'GETMETADATA "INBOX" /private/comment')
    assert answer.text == b"* METADATA INBOX (/private/comment {33}\r\nMy new comment across\r\ntwo lines.)\r\n"
    client.ok(b"SETMETADATA INBOX (/private/comment NIL)")
    assert client.ok(b"GETMETADATA INBOX /private/comment").text == b"* METADATA INBOX (/private/comment NIL)\r\n"


def test_several_entries_in_the_order_asked(client: RawClient):
    client.ok(b'SETMETADATA INBOX (/private/comment "My comment" /shared/comment "Its sole use is to exist")')

    answer = client.ok(b'GETMETADATA "INBOX" (/shared/comment /private/comment)')

    assert answer.text == (
        b'* METADATA INBOX (/shared/comment "Its sole use is to exist" /private/comment "My comment")\r\n'
    )


def test_depth(client: RawClient):
    client.ok(b'SETMETADATA "" (/private/filters/values/small "SMALLER 5000" /private/filters/values/boss "FROM x")')
    client.ok(b'SETMETADATA "" (/private/filters/values/a/b "deep" /private/filters/other "no")')

    one = client.ok(b'GETMETADATA (DEPTH 1) "" (/private/filters/values)')
    every = client.ok(b'GETMETADATA (DEPTH infinity) "" (/private/filters/values)')
    exact = client.ok(b'GETMETADATA "" (/private/filters/values)')

    boss, small = b'/private/filters/values/boss "FROM x"', b'/private/filters/values/small "SMALLER 5000"'
    assert one.text == b'* METADATA "" (%b %b)\r\n' % (boss, small)
    assert every.text == b'* METADATA "" (/private/filters/values/a/b "deep" %b %b)\r\n' % (boss, small)
    assert exact.text == b'* METADATA "" (/private/filters/values NIL)\r\n'


def test_maxsize_leaves_out_the_long_ones_and_tells_of_them(client: RawClient):
    client.ok(b'SETMETADATA INBOX (/private/comment "0123456789" /shared/comment "short")')

    answer = client.ok(b"GETMETADATA (MAXSIZE 5) INBOX (/shared/comment /private/comment)")

    assert answer.text == b'* METADATA INBOX (/shared/comment "short")\r\n'
    assert b"OK [METADATA LONGENTRIES 10]" in answer.tagged


def test_octets_of_any_kind(client: RawClient):
    client.ok(b"SETMETADATA INBOX (/private/vendor/x/icon ~{4+}\r\na\0\xffb)")

    assert client.ok(b"GETMETADATA INBOX /private/vendor/x/icon").text.endswith(b"icon ~{4}\r\na\0\xffb)\r\n")


def test_limits_hold_for_all_or_nothing(client: RawClient):
    big = b"x" * (64 * 1024 + 1)
    command = b'SETMETADATA INBOX (/private/a "1" /private/b {%d+}\r\n%b)' % (len(big), big)
    assert code(client, command) == b"METADATA MAXSIZE 65536"
    many = b" ".join(b'/private/n%d "x"' % number for number in range(101))
    assert code(client, b"SETMETADATA INBOX (%b)" % many) == b"METADATA TOOMANY"

    answer = client.ok(b"GETMETADATA INBOX (/private/a /private/n1)")

    assert answer.text == b"* METADATA INBOX (/private/a NIL /private/n1 NIL)\r\n"
    client.ok(b"SETMETADATA INBOX (%b)" % many.rpartition(b" /")[0])
    client.ok(b'SETMETADATA INBOX (/shared/n "each hundred of its own")')


def test_all_annotations_of_an_account_have_a_limit_together(imap: ImapServer):
    """1 MiB, wherever they are: its own, and the shared ones of its mailboxes, whoever sets them."""
    owner_name, friend_name = imap.account(), imap.account()
    owner, friend = imap.login(owner_name), imap.login(friend_name)
    owner.ok(f"SETACL Drafts {friend_name} lri".encode())
    theirs, largest = f"user/{owner_name}/Drafts".encode(), b"{65536+}\r\n" + b"x" * 65536

    for number in range(5):
        for mailbox, kind in ((b"INBOX", b"private"), (b"Sent", b"shared"), (b'""', b"private")):
            owner.ok(b"SETMETADATA %b (/%b/n%d %b)" % (mailbox, kind, number, largest))
    friend.ok(b"SETMETADATA %b (/shared/comment %b)" % (theirs, largest))
    full = [
        code(owner, b'SETMETADATA INBOX (/private/comment "x")'),
        code(owner, b'SETMETADATA Trash (/shared/comment "x")'),
        code(owner, b'SETMETADATA "" (/private/comment "x")'),
        code(friend, b'SETMETADATA %b (/shared/other "x")' % theirs),
    ]
    friend.ok(b'SETMETADATA %b (/private/comment "his own")' % theirs)
    owner.ok(b"SETMETADATA INBOX (/private/n0 NIL)")

    assert full == [b"METADATA TOOMANY"] * 4
    owner.ok(b'SETMETADATA Trash (/shared/comment "x")')


def test_shared_annotations_of_the_server_are_the_administrators(client: RawClient):
    assert code(client, b'SETMETADATA "" (/shared/comment "mine")') == b"NOPERM"
    answer = client.ok(b'GETMETADATA (DEPTH infinity) "" /shared')
    assert answer.text == b'* METADATA "" (/shared/admin "mailto:postmaster@imap.test")\r\n'


def test_no_such_mailbox(client: RawClient):
    assert code(client, b"GETMETADATA Nothing /private/comment") == b"NONEXISTENT"
    assert code(client, b'SETMETADATA Nothing (/private/comment "x")') == b"NONEXISTENT"


def test_the_special_use_of_a_mailbox(client: RawClient):
    client.ok(b"CREATE Old")

    client.ok(b'SETMETADATA Old (/private/specialuse "\\\\Archive")')

    assert b"\\Archive" in client.ok(b'LIST "" Old').text
    assert client.ok(b"GETMETADATA Old /private/specialuse").text == (
        b'* METADATA Old (/private/specialuse "\\\\Archive")\r\n'
    )
    assert code(client, b'SETMETADATA Old (/private/specialuse "\\\\Nonsense")') == b"USEATTR"
    client.ok(b"SETMETADATA Old (/private/specialuse NIL)")
    assert b"\\Archive" not in client.ok(b'LIST "" Old').text


def test_annotations_go_with_their_mailbox(client: RawClient, imap: ImapServer):
    client.ok(b"CREATE Short")
    client.ok(b'SETMETADATA Short (/private/comment "x")')
    client.ok(b"RENAME Short Shorter")
    assert b'"x"' in client.ok(b"GETMETADATA Shorter /private/comment").text
    client.ok(b"DELETE Shorter")
    client.ok(b"CREATE Shorter")

    assert b"NIL" in client.ok(b"GETMETADATA Shorter /private/comment").text


def test_annotations_of_others(imap: ImapServer):
    owner_name, reader_name = imap.account(), imap.account()
    owner, reader = imap.login(owner_name), imap.login(reader_name)
    there = f"user/{owner_name}/Archive".encode()
    owner.ok(b'SETMETADATA Archive (/private/comment "the owner\'s" /shared/comment "everybody\'s")')

    for rights, expected in (("", b"NONEXISTENT"), ("r", b"NOPERM"), ("l", b"NOPERM"), ("lxk", b"NOPERM")):
        owner.ok(f"SETACL Archive {reader_name} {rights or chr(34) * 2}".encode())
        assert code(reader, b"GETMETADATA %b /shared/comment" % there) == expected
        assert code(reader, b'SETMETADATA %b (/shared/comment "x")' % there) == expected
    owner.ok(f"SETACL Archive {reader_name} li".encode())

    answer = reader.ok(b"GETMETADATA %b (/private/comment /shared/comment)" % there)
    assert answer.text == b'* METADATA %b (/private/comment NIL /shared/comment "everybody\'s")\r\n' % there
    reader.ok(b'SETMETADATA %b (/private/comment "the reader\'s" /shared/comment "new")' % there)
    answer = owner.ok(b"GETMETADATA Archive (/private/comment /shared/comment)")
    assert answer.text == b'* METADATA Archive (/private/comment "the owner\'s" /shared/comment "new")\r\n'
    assert code(reader, b'SETMETADATA %b (/private/specialuse "\\\\Sent")' % there) == b"NOPERM"
    assert reader.ok(b"GETMETADATA %b /private/specialuse" % there).text.endswith(b"NIL)\r\n")
