"""Mailboxes of others over IMAP: RFC 4314 (ACL), RFC 2342 (NAMESPACE), RFC 8440 (LIST-MYRIGHTS), on a real accessd."""

import re

import psycopg
import pytest

from tests.integration.imap_server import (  # noqa: F401
    DOMAIN,
    ImapServer,
    RawClient,
    imap_process_of_module,
    imap_server,
)

MESSAGE = b"From: Ann <ann@imap.test>\r\nSubject: Hello\r\n\r\nHello\r\n"


class Pair:
    """An owner with a mailbox Work, a reader, and what the reader calls it."""

    def __init__(self, imap: ImapServer, store: str = "maildir", rights: str = "") -> None:
        self.imap = imap
        self.owner_name, self.reader_name = imap.account(store), imap.account(store)
        self.owner, self.reader = imap.login(self.owner_name), imap.login(self.reader_name)
        self.owner.ok(b"CREATE Work")
        self.work = f"user/{self.owner_name}/Work".encode()
        if rights:
            self.give(rights)

    def give(self, rights: str, mailbox: str = "Work") -> None:
        letters = rights or '""'
        self.owner.ok(f"SETACL {mailbox} {self.reader_name} {letters}".encode())


@pytest.fixture(name="pair")
def a_pair(imap: ImapServer) -> Pair:
    return Pair(imap)


def listed(client: RawClient, command: bytes = b'LIST "" *') -> set[bytes]:
    return {re.search(rb'"/" "?([^"\r]*)', line).group(1) for line in client.ok(command).untagged if b"LIST (" in line}


def error(client: RawClient, command: bytes) -> bytes:
    """The code of a NO."""
    answer = client.command(command)
    assert answer.status == "NO", answer.tagged
    return re.search(rb"\[([^\]]*)\]", answer.tagged).group(1)


def test_the_list_of_a_mailbox(pair: Pair):
    pair.give("lrd")
    pair.owner.ok(b"SETACL Work -anyone x")

    answer = pair.owner.ok(b"GETACL Work")

    owner, reader = pair.owner_name.encode(), pair.reader_name.encode()
    assert answer.text == b"* ACL Work %b lrswipkxteacd %b lrted -anyone xc\r\n" % (owner, reader)


def test_rights_are_added_and_taken_away(pair: Pair):
    pair.give("lr")
    pair.give("+wi")
    pair.give("-r")

    assert pair.owner.ok(b"GETACL Work").text.endswith(b"%b lwi\r\n" % pair.reader_name.encode())


def test_an_entry_without_rights_is_none_and_deleting_it_again_is_fine(pair: Pair):
    pair.give("lr")
    pair.give("")
    pair.give("lr")
    pair.owner.ok(f"DELETEACL Work {pair.reader_name}".encode())
    pair.owner.ok(f"DELETEACL Work {pair.reader_name}".encode())

    assert pair.owner.ok(b"GETACL Work").text == b"* ACL Work %b lrswipkxteacd\r\n" % pair.owner_name.encode()


def test_unknown_rights_and_identifiers(pair: Pair):
    assert pair.owner.command(b"SETACL Work anyone lrz").status == "BAD"
    assert error(pair.owner, b"SETACL Work nobody@imap.test lr") == b"CANNOT"
    assert error(pair.owner, b"SETACL Work $group lr") == b"CANNOT"
    for command in ("SETACL Work {} lr", "DELETEACL Work {}"):
        refused = pair.owner.command(command.format(pair.owner_name).encode()).tagged
        assert refused.endswith(b" NO [CANNOT] The owner has all rights and needs no entry\r\n")
    assert error(pair.owner, b"SETACL Nothing anyone lr") == b"NONEXISTENT"


def test_listrights_and_myrights(pair: Pair):
    pair.give("lra")
    owner, reader = pair.owner_name.encode(), pair.reader_name.encode()

    answer = pair.owner.ok(b"LISTRIGHTS Work " + reader)

    assert answer.text == b'* LISTRIGHTS Work %b "" l r s w i p k x t e a c d\r\n' % reader
    answer = pair.reader.ok(b"LISTRIGHTS %b %b" % (pair.work, owner))
    assert answer.text == b"* LISTRIGHTS %b %b lrswipkxteacd\r\n" % (pair.work, owner)
    assert pair.owner.ok(b"MYRIGHTS Work").text == b"* MYRIGHTS Work lrswipkxteacd\r\n"
    assert pair.reader.ok(b"MYRIGHTS " + pair.work).text == b"* MYRIGHTS %b lra\r\n" % pair.work


def test_a_reader_with_a_may_share_on(pair: Pair):
    pair.give("lra")
    third = pair.imap.account()

    pair.reader.ok(b"SETACL %b %b lr" % (pair.work, third.encode()))

    pair.imap.login(third).ok(b"EXAMINE " + pair.work)


def test_who_may_not_see_a_mailbox_is_told_that_there_is_none(pair: Pair):
    commands = [b"SELECT %b", b"EXAMINE %b", b"STATUS %b (MESSAGES)", b"GETACL %b", b"SETACL %b anyone lr"]
    commands += [b"DELETEACL %b anyone", b"LISTRIGHTS %b anyone", b"MYRIGHTS %b", b"DELETE %b", b"RENAME %b Mine"]
    commands += [b"GETQUOTAROOT %b"]
    nothing = f"user/{pair.owner_name}/Nothing".encode()

    for command in commands:
        refused = [pair.reader.command(command % name).tagged.split(b" ", 1)[1] for name in (pair.work, nothing)]

        assert refused[0] == refused[1], command
        assert b"NONEXISTENT" in refused[0]
    assert pair.work not in listed(pair.reader)


def test_namespaces_and_lists(pair: Pair):
    assert pair.reader.ok(b"NAMESPACE").text == b'* NAMESPACE (("" "/")) (("user/" "/")) (("shared/" "/"))\r\n'
    own = listed(pair.reader)

    pair.give("lr")

    owner = pair.owner_name.encode()
    assert listed(pair.reader) - own == {b"user", b"user/" + owner, pair.work}
    assert listed(pair.reader, b'LIST "" %') - own == {b"user"}
    assert listed(pair.reader, b'LIST user/ "*"') == {b"user/" + owner, pair.work}
    answer = pair.reader.ok(b'LIST "" (user/% Work) RETURN (MYRIGHTS)')
    assert answer.text == b'* LIST (\\NonExistent \\Noselect \\HasChildren) "/" user/%b\r\n' % owner


def test_what_may_be_listed_and_not_read_has_no_status_and_says_so(pair: Pair):
    """RFC 5819 section 2."""
    pair.give("l")

    answer = pair.reader.ok(b'LIST "" %b RETURN (STATUS (MESSAGES))' % pair.work)

    assert answer.text == b'* LIST (\\Noselect \\HasNoChildren) "/" %b\r\n' % pair.work


def test_only_l_makes_a_mailbox_visible(pair: Pair):
    pair.give("r")

    assert pair.work not in listed(pair.reader)
    pair.reader.ok(b"EXAMINE " + pair.work)


def test_a_special_use_is_the_owners_alone(pair: Pair):
    pair.give("lr", "Sent")

    answer = pair.reader.ok(f'LIST "" user/{pair.owner_name}/Sent'.encode())

    assert b"\\Sent" not in answer.text
    pair.give("lrk")
    assert error(pair.reader, rb"CREATE %b/Drafts (USE (\Drafts))" % pair.work) == b"NOPERM"


def test_list_myrights_and_status_only_where_one_may_read(pair: Pair):
    pair.give("l")
    answer = pair.reader.ok(b'LIST "" "%b" RETURN (MYRIGHTS STATUS (MESSAGES))' % pair.work)
    assert answer.untagged[1:] == [b"* MYRIGHTS %b l\r\n" % pair.work]

    pair.give("lr")

    answer = pair.reader.ok(b'LIST "" "%b" RETURN (MYRIGHTS STATUS (MESSAGES))' % pair.work)
    assert answer.untagged[1:] == [b"* MYRIGHTS %b lr\r\n" % pair.work, b"* STATUS %b (MESSAGES 0)\r\n" % pair.work]
    answer = pair.reader.ok(b'LIST "" INBOX RETURN (MYRIGHTS)')
    assert answer.untagged[1:] == [b"* MYRIGHTS INBOX lrswipkxteacd\r\n"]


def test_anyone_is_everybody_of_the_domain_and_nobody_else(pair: Pair):
    elsewhere = a_neighbour(pair.imap)
    pair.owner.ok(b"SETACL Work anyone lr")

    pair.reader.ok(b"EXAMINE " + pair.work)
    assert pair.work in listed(pair.reader)
    assert pair.work not in listed(elsewhere)
    assert error(elsewhere, b"EXAMINE " + pair.work) == b"NONEXISTENT"


def a_neighbour(imap: ImapServer) -> RawClient:
    """Somebody of another domain of the same appliance."""
    imap.execute(
        "INSERT INTO domain (name, kind, enabled, description, created_at)"
        " VALUES ('elsewhere.test', 'local', true, '', now()) ON CONFLICT DO NOTHING"
    )
    address = imap.account()
    neighbour = address.replace(DOMAIN, "elsewhere.test")
    imap.execute(
        "UPDATE account SET address = %s, domain_id = 'elsewhere.test' WHERE address = %s", (neighbour, address)
    )
    return imap.login(neighbour)


def test_by_address_a_mailbox_is_shared_over_domains(pair: Pair):
    elsewhere = a_neighbour(pair.imap)
    with psycopg.connect(pair.imap.database_url) as conn:
        [address] = conn.execute("SELECT max(address) FROM account WHERE domain_id = 'elsewhere.test'").fetchone()

    pair.owner.ok(f"SETACL Work {address} lr".encode())

    elsewhere.ok(b"EXAMINE " + pair.work)


def test_negative_rights_take_away_what_others_give(pair: Pair):
    pair.owner.ok(b"SETACL Work authenticated lrsi")
    pair.owner.ok(f"SETACL Work -{pair.reader_name} si".encode())

    assert pair.reader.ok(b"MYRIGHTS " + pair.work).text == b"* MYRIGHTS %b lr\r\n" % pair.work
    assert pair.owner.ok(b"MYRIGHTS Work").text.endswith(b" lrswipkxteacd\r\n")


def test_mailboxes_of_the_account_shared_belong_to_the_domain(pair: Pair):
    address = pair.imap.account()
    pair.imap.execute("UPDATE account SET address = %s WHERE address = %s", (f"shared@{DOMAIN}", address))
    board = pair.imap.login(f"shared@{DOMAIN}")
    board.ok(b"CREATE News")

    board.ok(b"SETACL News anyone lr")

    assert {b"shared", b"shared/News"} <= listed(pair.reader)
    pair.reader.ok(b"EXAMINE shared/News")
    assert error(pair.reader, b"EXAMINE shared/INBOX") == b"NONEXISTENT"
    assert error(pair.reader, b"CREATE shared/News/Mine") == b"NOPERM"


def test_what_is_made_below_a_shared_mailbox_is_shared_too(pair: Pair):
    pair.give("lrk")

    pair.owner.ok(b"CREATE Work/A/B")
    pair.reader.ok(b"CREATE %b/C" % pair.work)

    assert {pair.work + b"/A", pair.work + b"/A/B", pair.work + b"/C"} <= listed(pair.reader)
    assert b"Work/C" in listed(pair.owner)


def test_creating_needs_k_above_and_nobody_makes_mailboxes_beside_those_of_others(pair: Pair):
    pair.give("lr")
    owner = pair.owner_name.encode()

    assert error(pair.reader, b"CREATE %b/C" % pair.work) == b"NOPERM"
    assert error(pair.reader, b"CREATE user/%b/Top" % owner) == b"NOPERM"
    assert error(pair.reader, b"CREATE user/nobody@imap.test/Top") == b"NOPERM"
    assert error(pair.reader, b"CREATE user") == b"NOPERM"


def test_renaming_stays_with_the_owner(pair: Pair):
    pair.give("lrkx")
    pair.owner.ok(b"CREATE Work/A")

    pair.reader.ok(b"RENAME %b/A %b/B" % (pair.work, pair.work))

    assert b"Work/B" in listed(pair.owner)
    assert error(pair.reader, b"RENAME %b/B Mine" % pair.work) == b"CANNOT"
    assert error(pair.reader, b"RENAME Trash %b/Trash" % pair.work) == b"CANNOT"
    pair.give("lrkx", "INBOX")
    owner = pair.owner_name.encode()
    assert error(pair.reader, b"RENAME user/%b/INBOX user/%b/INBOX/Old" % (owner, owner)) == b"CANNOT"


def test_subscriptions_are_the_readers_own(pair: Pair):
    pair.give("lr")

    pair.reader.ok(b"SUBSCRIBE " + pair.work)

    assert pair.work in {line.rsplit(b" ", 1)[1].strip() for line in pair.reader.ok(b'LSUB "" *').untagged}
    assert b"Work" not in {line.rsplit(b" ", 1)[1].strip() for line in pair.owner.ok(b'LSUB "" *').untagged}
    assert pair.work in listed(pair.reader, b'LIST (SUBSCRIBED) "" *')


def test_names_from_before_there_was_sharing_stay_the_readers_own(imap: ImapServer):
    address = imap.account()
    for folder in ("", ".user", ".shared", ".shared.Old"):
        for part in ("cur", "new", "tmp"):
            (imap.maildir(address) / folder / part).mkdir(parents=True)
    client = imap.login(address)

    for name in (b"user", b"shared", b"shared/Old"):
        client.ok(b"SELECT " + name)
        assert b"APPENDUID" in client.append(name, MESSAGE).tagged
    client.ok(b"CREATE shared/New")
    client.ok(b"CREATE user/bob@nowhere.test/x")
    client.ok(b"RENAME shared/Old shared/Older")
    assert {b"shared/New", b"shared/Older", b"user/bob@nowhere.test/x"} <= listed(client)


@pytest.mark.parametrize(
    ("rights", "flags", "code"),
    [
        ("lr", rb"", b"READ-ONLY"),
        ("lrs", rb"\Seen", b"READ-WRITE"),
        ("lrt", rb"\Deleted", b"READ-WRITE"),
        ("lrw", rb"\Answered \Flagged \Draft \*", b"READ-WRITE"),
        ("lri", rb"", b"READ-WRITE"),
        ("lre", rb"", b"READ-WRITE"),
        ("lrkxp", rb"", b"READ-ONLY"),
    ],
)
def test_select_tells_what_one_may_do(pair: Pair, rights: str, flags: bytes, code: bytes):
    pair.give(rights)

    answer = pair.reader.ok(b"SELECT " + pair.work)

    assert set(re.search(rb"PERMANENTFLAGS \((.*)\)", answer.text).group(1).split()) == set(flags.split())
    assert b"[%b]" % code in answer.tagged


def test_fetching_a_text_sets_seen_only_for_who_may(pair: Pair):
    pair.owner.append(b"Work", MESSAGE)
    pair.give("lrw")
    pair.reader.ok(b"SELECT " + pair.work)
    assert b"\\Seen" not in pair.reader.ok(b"FETCH 1 BODY[TEXT]").text

    pair.give("lrs")
    pair.reader.ok(b"NOOP")

    assert b"\\Seen" in pair.reader.ok(b"FETCH 1 BODY[TEXT]").text


def test_store_leaves_out_what_one_may_not_set(pair: Pair):
    pair.owner.append(b"Work", MESSAGE, rb"(\Flagged)")
    pair.give("lrs")
    pair.reader.ok(b"SELECT " + pair.work)

    answer = pair.reader.ok(rb"STORE 1 FLAGS (\Seen \Deleted word)")

    assert set(re.search(rb"FLAGS \((.*?)\)", answer.text).group(1).split()) == {b"\\Flagged", b"\\Seen", b"\\Recent"}
    assert error(pair.reader, rb"STORE 1 +FLAGS (\Deleted)") == b"NOPERM"


def test_append_and_copy_need_i_and_keep_the_flags_one_may_set(pair: Pair):
    pair.reader.append(b"INBOX", MESSAGE, rb"(\Seen \Flagged)")
    pair.reader.ok(b"SELECT INBOX")
    pair.give("lr")
    assert b"[NOPERM]" in pair.reader.append(pair.work, MESSAGE).tagged
    assert error(pair.reader, b"COPY 1 " + pair.work) == b"NOPERM"

    pair.give("lris")
    assert b"APPENDUID" in pair.reader.append(pair.work, MESSAGE, rb"(\Seen \Flagged)").tagged
    assert b"COPYUID" in pair.reader.ok(b"COPY 1 " + pair.work).tagged

    pair.owner.ok(b"SELECT Work")
    answer = pair.owner.ok(b"FETCH 1:* FLAGS")
    assert [b"\\Seen" in line and b"\\Flagged" not in line for line in answer.untagged] == [True, True]


def test_a_box_one_may_only_drop_into(pair: Pair):
    pair.give("i")

    assert b"APPENDUID" in pair.reader.append(pair.work, MESSAGE).tagged
    assert error(pair.reader, b"SELECT " + pair.work) == b"NONEXISTENT"


def test_expunging_needs_e_and_close_goes_without(pair: Pair):
    pair.owner.append(b"Work", MESSAGE, rb"(\Deleted)")
    pair.give("lrt")
    pair.reader.ok(b"SELECT " + pair.work)
    assert error(pair.reader, b"EXPUNGE") == b"NOPERM"
    assert error(pair.reader, b"UID EXPUNGE 1") == b"NOPERM"
    pair.reader.ok(b"CLOSE")
    assert b"MESSAGES 1" in pair.owner.ok(b"STATUS Work (MESSAGES)").text

    pair.give("lrte")
    pair.reader.ok(b"SELECT " + pair.work)

    assert pair.reader.ok(b"EXPUNGE").untagged[0] == b"* 1 EXPUNGE\r\n"


def test_a_change_reaches_who_has_the_mailbox_selected(pair: Pair):
    pair.owner.append(b"Work", MESSAGE)
    pair.give("lrt")
    pair.reader.ok(b"SELECT " + pair.work)

    pair.give("lrw")

    answer = pair.reader.command(rb"STORE 1 +FLAGS (\Deleted)")
    assert answer.status == "NO"
    assert b"PERMANENTFLAGS (\\Answered \\Flagged \\Draft \\*)" in answer.text
    pair.owner.ok(f"DELETEACL Work {pair.reader_name}".encode())
    tag = pair.reader.tag()
    pair.reader.send(tag + b" FETCH 1 BODY[]\r\n")
    assert pair.reader.read_line().startswith(b"* BYE")


def test_a_change_reaches_who_idles_there(pair: Pair):
    pair.give("lrt")
    pair.reader.ok(b"SELECT " + pair.work)
    pair.reader.send(b"i IDLE\r\n")
    pair.reader.read_line()

    pair.give("")

    assert pair.reader.read_line().startswith(b"* BYE")


def test_both_see_what_the_other_does(pair: Pair):
    pair.give("lrswit")
    pair.reader.ok(b"SELECT " + pair.work)
    pair.owner.ok(b"SELECT Work")

    pair.reader.append(pair.work, MESSAGE)
    assert b"* 1 EXISTS\r\n" in pair.owner.ok(b"NOOP").untagged
    pair.reader.ok(rb"STORE 1 +FLAGS (\Seen)")

    assert b"\\Seen" in pair.owner.ok(b"NOOP").text
