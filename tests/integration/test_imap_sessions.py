"""accessd over real sockets: TLS, literals, big messages, several sessions, IDLE, faults."""

import imaplib
import os
import re
import signal
import socket
import threading
import time

import psycopg
import pytest

from tests.fixtures_servers import wait_until
from tests.integration.imap_server import (  # noqa: F401
    PASSWORD,
    Answer,
    ImapServer,
    RawClient,
    imap_process_of_module,
    imap_server,
    second_imap_server,
)

MESSAGE = b"From: a@example.org\r\nSubject: hello\r\n\r\nbody\r\n"


def selected(imap: ImapServer, address: str, mailbox: bytes = b"INBOX") -> RawClient:
    client = imap.login(address)
    client.ok(b"SELECT " + mailbox)
    return client


def uids(client: RawClient) -> list[int]:
    return [int(uid) for uid in re.findall(rb"UID (\d+)", client.ok(b"UID FETCH 1:* UID").text)]


def idle(client: RawClient) -> None:
    client.send(b"idle IDLE\r\n")
    assert client.read_line().startswith(b"+ ")


def done(client: RawClient) -> Answer:
    client.send(b"DONE\r\n")
    return client.read_answer(b"idle")


# TLS


def test_starttls_forgets_what_was_sent_too_early(imap: ImapServer) -> None:
    client = imap.connect()
    client.send(b"s STARTTLS\r\nx NOOP\r\n")
    assert client.read_line().startswith(b"s OK")

    client.socket = imap.client_context().wrap_socket(client.socket, server_hostname="127.0.0.1")
    answer = client.ok(b"CAPABILITY")

    assert b"STARTTLS" not in answer.text
    assert b"AUTH=PLAIN" in answer.text
    assert client.command(b"STARTTLS").status == "BAD"


def test_passwords_need_tls_where_plaintext_is_not_allowed(imap: ImapServer) -> None:
    address = imap.account()
    imap.execute("UPDATE server_settings SET plaintext_auth = 'never'")
    try:
        wait_until(lambda: b"LOGINDISABLED" in imap.connect().greeting, seconds=3)
        plain = imap.connect()
        assert b"AUTH=" not in plain.greeting
        answer = plain.command(f'LOGIN {address} "{PASSWORD}"'.encode())
        assert answer.tagged.split(b" ", 1)[1].startswith(b"NO [PRIVACYREQUIRED]")

        secure = imap.connect(tls=True)
        assert b"LOGINDISABLED" not in secure.greeting
        assert secure.ok(f'LOGIN {address} "{PASSWORD}"'.encode())
    finally:
        imap.execute("UPDATE server_settings SET plaintext_auth = 'mynetworks'")
    wait_until(lambda: b"AUTH=PLAIN" in imap.connect().greeting, seconds=3)


def test_a_certificate_that_was_replaced_is_used_after_sighup(imap: ImapServer) -> None:
    def serial() -> object:
        client = imap.connect(tls=True)
        certificate = client.socket.getpeercert()  # type: ignore[attr-defined]
        client.close()
        return certificate["serialNumber"]

    before = serial()
    imap.renew_certificate()
    imap.process.send_signal(signal.SIGHUP)

    wait_until(lambda: serial() != before, seconds=3)


def test_imaplib_over_tls(imap: ImapServer) -> None:
    address = imap.account()

    with imaplib.IMAP4_SSL("127.0.0.1", imap.tls_port, ssl_context=imap.client_context()) as client:
        client.authenticate("PLAIN", lambda _: f"\0{address}\0{PASSWORD}".encode())
        client.append("INBOX", r"(\Seen)", imaplib.Time2Internaldate(time.time()), MESSAGE)
        assert client.select()[1] == [b"1"]
        assert client.fetch("1", "(BODY[HEADER.FIELDS (SUBJECT)])")[1][0][1] == b"Subject: hello\r\n\r\n"  # type: ignore[index]


# Big and awkward messages


def big_message(size: int) -> bytes:
    line = b"0123456789abcdef" * 4 + b"\r\n"
    return b"Subject: big\r\n\r\n" + line * (size // len(line))


@pytest.mark.parametrize("store", ["maildir", "mbox"])
def test_a_big_message_comes_back_as_it_went_in(imap: ImapServer, store: str) -> None:
    message = big_message(5_000_000)
    client = imap.login(imap.account(store))
    assert client.append(b"INBOX", message).status == "OK"
    client.ok(b"SELECT INBOX")

    whole = client.ok(b"FETCH 1 BODY.PEEK[]").untagged[0]
    assert whole == b"* 1 FETCH (BODY[] {%d}\r\n%b)\r\n" % (len(message), message)

    text = client.ok(
        b"FETCH 1 (BODY.PEEK[TEXT]<100000.70000> UID BODY.PEEK[1]<4000000.9000000> RFC822.HEADER)"
    ).untagged[0]
    body = message[16:]
    assert text == (
        b"* 1 FETCH (UID 1 BODY[TEXT]<100000> {70000}\r\n%b BODY[1]<4000000> {%d}\r\n%b RFC822.HEADER {16}\r\n%b)\r\n"
        % (body[100000:170000], len(body) - 4000000, body[4000000:], message[:16])
    )


def test_small_and_big_messages_in_one_fetch(imap: ImapServer) -> None:
    client = imap.login(imap.account())
    messages = [MESSAGE, big_message(1_200_000), MESSAGE, big_message(900_000), big_message(1_500_000), MESSAGE]
    for message in messages:
        client.append(b"INBOX", message)
    client.ok(b"SELECT INBOX")

    answer = client.ok(b"FETCH 1:* BODY[]")

    for number, (line, message) in enumerate(zip(answer.untagged, messages, strict=True), 1):
        assert line == b"* %d FETCH (FLAGS (\\Seen \\Recent) BODY[] {%d}\r\n%b)\r\n" % (number, len(message), message)


def test_a_message_over_the_limit_is_refused_before_it_is_sent(imap: ImapServer) -> None:
    client = imap.login(imap.account())

    answer = client.command(b"APPEND INBOX {99999999999}")

    assert b"NO [TOOBIG]" in answer.tagged


def test_a_synchronising_append_to_no_mailbox_is_refused_before_it_is_sent(imap: ImapServer) -> None:
    client = imap.login(imap.account())

    assert b"NO [TRYCREATE]" in client.command(b"APPEND Nowhere {10}").tagged
    client.ok(b"NOOP")


def test_over_quota(imap: ImapServer) -> None:
    client = imap.login(imap.account(quota_bytes=4096))
    assert client.append(b"INBOX", MESSAGE).status == "OK"
    assert b'QUOTA "" (STORAGE 1 4)' in client.ok(b'GETQUOTA ""').text

    assert b"NO [OVERQUOTA]" in client.append(b"INBOX", b"x" * 5000).tagged
    assert b"NO [OVERQUOTA]" in client.command(b"APPEND INBOX {5000}").tagged
    client.ok(b"NOOP")


def test_bare_lf_nul_and_cr_become_clean_lines(imap: ImapServer) -> None:
    client = imap.login(imap.account())
    client.append(b"INBOX", b"Subject: x\n\na\0b\rc\n")
    client.ok(b"SELECT INBOX")

    answer = client.ok(b"FETCH 1 (RFC822.SIZE BODY.PEEK[])")

    wire = b"Subject: x\r\n\r\na\x80b c\r\n"
    assert answer.untagged == [b"* 1 FETCH (RFC822.SIZE %d BODY[] {%d}\r\n%b)\r\n" % (len(wire), len(wire), wire)]


def test_a_client_that_does_not_read_costs_little_memory(imap: ImapServer) -> None:
    client = imap.login(imap.account())
    for _ in range(3):
        client.append(b"INBOX", big_message(4_000_000))
    client.ok(b"SELECT INBOX")
    before = resident_bytes(imap.process.pid)

    client.send(b"f FETCH 1:* BODY.PEEK[]\r\n" * 20)
    time.sleep(1.0)

    assert resident_bytes(imap.process.pid) - before < 30_000_000
    other = imap.login(imap.account())
    other.ok(b"NOOP")


def resident_bytes(pid: int) -> int:
    with open(f"/proc/{pid}/statm") as statm:
        return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def test_pipelined_commands_are_answered_in_order(imap: ImapServer) -> None:
    client = imap.login(imap.account())

    client.send(
        b"p1 APPEND INBOX {%d+}\r\n%b\r\np2 SELECT INBOX\r\n"
        b"p3 STORE 1 +FLAGS (\\Seen)\r\np4 FETCH 1 FLAGS\r\np5 CLOSE\r\n" % (len(MESSAGE), MESSAGE)
    )

    answers = {tag: client.read_answer(tag) for tag in (b"p1", b"p2", b"p3", b"p4", b"p5")}
    assert all(answer.status == "OK" for answer in answers.values())
    assert answers[b"p4"].untagged == [b"* 1 FETCH (FLAGS (\\Seen \\Recent))\r\n"]


# Several sessions, IDLE


@pytest.mark.parametrize("enable", [b"NOOP", b"ENABLE CONDSTORE", b"ENABLE QRESYNC"])
def test_flags_that_the_answer_of_store_has_told_are_not_told_again(imap: ImapServer, enable: bytes) -> None:
    """Whoever has changed something meanwhile, the same message or the session itself by EXPUNGE."""
    address = imap.account()
    writer = imap.login(address)
    for _ in range(4):
        writer.append(b"INBOX", MESSAGE)
    reader = imap.login(address)
    reader.ok(enable)
    reader.ok(b"SELECT INBOX")
    writer.ok(b"SELECT INBOX")

    writer.ok(b"STORE 1:2 +FLAGS (\\Flagged)")
    answer = reader.ok(b"STORE 1,4 +FLAGS (\\Deleted)")
    told = answer.untagged + reader.ok(b"NOOP").untagged
    writer.ok(b"STORE 4 -FLAGS (\\Deleted)")
    reader.ok(b"EXPUNGE")
    later = reader.ok(b"STORE 1 +FLAGS (\\Seen)").untagged + reader.ok(b"NOOP").untagged

    numbers = [line.split()[1] for line in told if b" FETCH " in line]
    assert sorted(numbers) == [b"1", b"2", b"4"]
    assert [line.split()[1] for line in later if b" FETCH " in line and b"\\Seen" in line] == [b"1"]


def test_new_mail_reaches_an_idling_client_at_once(imap: ImapServer) -> None:
    address = imap.account()
    reader, writer = selected(imap, address), imap.login(address)
    writer.append(b"INBOX", MESSAGE)
    reader.ok(b"NOOP")
    idle(reader)

    start = time.monotonic()
    writer.append(b"INBOX", MESSAGE)
    assert reader.read_line() == b"* 2 EXISTS\r\n"
    took = time.monotonic() - start

    assert took < 0.5
    assert done(reader).status == "OK"


def test_what_happened_while_a_mailbox_was_being_selected_is_told_in_idle(imap: ImapServer) -> None:
    """Between the look of SELECT and the registration for hints one may be missed; here there never was one."""
    address = imap.account()
    writer = imap.login(address)
    writer.append(b"INBOX", MESSAGE)
    reader = selected(imap, address)
    imap.execute(
        "WITH raised AS (UPDATE mailbox SET highestmodseq = highestmodseq + 1 WHERE name = 'INBOX'"
        " AND account_id = (SELECT id FROM account WHERE address = %s) RETURNING id, highestmodseq)"
        " UPDATE message SET flags = 4, modseq = raised.highestmodseq FROM raised WHERE mailbox_id = raised.id",
        (address,),
    )

    reader.send(b"i IDLE\r\n")
    reader.read_line()

    assert b"\\Flagged" in reader.read_line()


def test_an_idling_client_hears_of_flags_and_expunges(imap: ImapServer) -> None:
    address = imap.account()
    writer = imap.login(address)
    for _ in range(3):
        writer.append(b"INBOX", MESSAGE)
    writer.ok(b"SELECT INBOX")
    reader = selected(imap, address)
    idle(reader)

    writer.ok(b"STORE 2 FLAGS (\\Deleted)")
    assert reader.read_line() == b"* 2 FETCH (UID 2 FLAGS (\\Deleted))\r\n"
    writer.ok(b"EXPUNGE")
    assert reader.read_line() == b"* 2 EXPUNGE\r\n"
    assert done(reader).status == "OK"
    assert uids(reader) == [1, 3]


def test_idle_ends_only_with_done(imap: ImapServer) -> None:
    reader = selected(imap, imap.account())
    idle(reader)

    reader.send(b"n NOOP\r\n")

    assert reader.read_answer(b"idle").status == "BAD"
    reader.ok(b"NOOP")


def test_files_dropped_by_other_programs_reach_an_idling_client(imap: ImapServer) -> None:
    address = imap.account()
    reader = selected(imap, address)
    idle(reader)

    (imap.maildir(address) / "new" / "1700000000.M1P1.elsewhere").write_bytes(MESSAGE.replace(b"\r\n", b"\n"))

    assert reader.read_line() == b"* 1 EXISTS\r\n"
    assert done(reader).status == "OK"
    assert b"Subject: hello" in reader.ok(b"FETCH 1 BODY[HEADER]").text


def test_files_dropped_by_other_programs_are_there_at_noop(imap: ImapServer) -> None:
    address = imap.account()
    reader = selected(imap, address)

    (imap.maildir(address) / "new" / "1700000000.M2P1.elsewhere").write_bytes(MESSAGE.replace(b"\r\n", b"\n"))

    assert b"* 1 EXISTS\r\n" in reader.ok(b"NOOP").untagged


@pytest.mark.parametrize("look", [b"NOOP", b"SELECT INBOX", b"STATUS INBOX (MESSAGES)"])
def test_what_one_session_finds_in_the_folder_idling_ones_hear_of(imap: ImapServer, look: bytes) -> None:
    """Whoever looks first adopts the files, and nobody after that finds anything new in the folder."""
    address = imap.account()
    idling, other = selected(imap, address), selected(imap, address)
    idling.send(b"i IDLE\r\n")
    idling.read_line()
    name = "1700000000.M2P1.elsewhere"
    folder = imap.maildir(address)
    (folder / "tmp" / name).write_bytes(MESSAGE.replace(b"\r\n", b"\n"))
    (folder / "tmp" / name).rename(folder / "new" / name)

    other.ok(look)

    assert idling.read_line() == b"* 1 EXISTS\r\n"


def test_flags_of_many_messages_are_those_of_now(imap: ImapServer) -> None:
    address = imap.account()
    writer, reader = imap.login(address), imap.login(address)
    writer.send(b"".join(b"a%d APPEND INBOX {2+}\r\nhi\r\n" % n for n in range(250)))
    writer.read_answer(b"a249")
    for client in (writer, reader):
        client.ok(b"SELECT INBOX")
    assert len(reader.ok(b"FETCH 1:* FLAGS").untagged) == 250

    writer.ok(b"STORE 1:3 +FLAGS.SILENT (\\Seen work)")
    writer.ok(b"STORE 5 +FLAGS.SILENT (\\Deleted)")
    writer.ok(b"EXPUNGE")
    answer = reader.command(b"FETCH 1:* (UID FLAGS)")

    assert answer.tagged.split(b" ", 1)[1].startswith(b"OK [EXPUNGEISSUED]")
    fetched = [line for line in answer.untagged if b" FETCH (UID" in line]
    assert fetched[:5] == [
        b"* 1 FETCH (UID 1 FLAGS (\\Seen work))\r\n",
        b"* 2 FETCH (UID 2 FLAGS (\\Seen work))\r\n",
        b"* 3 FETCH (UID 3 FLAGS (\\Seen work))\r\n",
        b"* 4 FETCH (UID 4 FLAGS ())\r\n",
        b"* 6 FETCH (UID 6 FLAGS ())\r\n",
    ]


def test_a_message_is_recent_in_one_session_only(imap: ImapServer) -> None:
    address = imap.account()
    writer = imap.login(address)
    writer.append(b"INBOX", MESSAGE)

    first, second = imap.login(address), imap.login(address)

    assert b"* 1 RECENT\r\n" in first.ok(b"SELECT INBOX").untagged
    assert b"* 0 RECENT\r\n" in second.ok(b"SELECT INBOX").untagged


def test_a_session_whose_mailbox_was_deleted_is_told_good_bye(imap: ImapServer) -> None:
    address = imap.account()
    writer = imap.login(address)
    writer.ok(b"CREATE Doomed")
    reader = selected(imap, address, b"Doomed")
    idle(reader)

    writer.ok(b"DELETE Doomed")

    assert reader.read_line() == b"* BYE The selected mailbox was deleted\r\n"
    with pytest.raises(ConnectionError):
        reader.read_line()


def test_a_mailbox_renamed_by_another_session_can_still_be_read(imap: ImapServer) -> None:
    address = imap.account()
    writer = imap.login(address)
    writer.ok(b"CREATE Before")
    writer.append(b"Before", MESSAGE)
    reader = selected(imap, address, b"Before")

    writer.ok(b"RENAME Before After")

    assert reader.ok(b"SEARCH BODY body").text.strip() == b"* SEARCH 1"
    assert b"body" in reader.ok(b"FETCH 1 BODY[]").text
    assert reader.ok(b"STORE 1 +FLAGS (\\Flagged)").untagged
    assert reader.ok(b"FETCH 1 ENVELOPE").untagged


def test_a_session_whose_mailbox_was_rebuilt_is_told_good_bye(imap: ImapServer) -> None:
    """Its UIDs are not those of before: nothing it knows is right any more."""
    client = selected(imap, imap.account())
    imap.execute(
        "UPDATE mailbox SET uidvalidity = uidvalidity + 1, highestmodseq = highestmodseq + 1 WHERE account_id ="
        " (SELECT max(id) FROM account)"
    )

    client.send(b"t NOOP\r\n")

    assert client.read_line() == b"* BYE The selected mailbox was rebuilt\r\n"


def test_sessions_of_one_mailbox_store_at_once(imap: ImapServer) -> None:
    address = imap.account()
    writer = imap.login(address)
    for _ in range(20):
        writer.append(b"INBOX", MESSAGE)
    clients = [selected(imap, address) for _ in range(4)]
    failures: list[BaseException] = []

    def work(client: RawClient, keyword: bytes) -> None:
        try:
            for number in range(1, 21):
                client.ok(b"STORE %d +FLAGS (%b)" % (number, keyword))
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(client, b"k%d" % n)) for n, client in enumerate(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert not failures
    flags = writer.ok(b"SELECT INBOX") and writer.ok(b"FETCH 1:* FLAGS").untagged
    assert len(flags) == 20
    assert all(b"k0 k1 k2 k3" in line for line in flags)


# Faults


def test_a_connection_lost_within_a_literal_leaves_nothing(imap: ImapServer) -> None:
    address = imap.account()
    client = imap.login(address)
    client.send(b"a APPEND INBOX {3000000+}\r\n" + b"x" * 2_000_000)
    time.sleep(0.2)
    client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    client.close()

    other = selected(imap, address)
    assert uids(other) == []
    wait_until(lambda: not list((imap.home / "mail").glob(".incoming/*")), seconds=5)


def test_without_the_database_commands_fail_for_now_and_work_again_later(imap: ImapServer) -> None:
    client = selected(imap, imap.account())
    with psycopg.connect(imap.database_url, autocommit=True) as conn:
        conn.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'accessd'")

    answers = [client.command(b"STATUS INBOX (MESSAGES)") for _ in range(20)]

    assert answers[-1].status == "OK"
    assert all(answer.status == "OK" or b"NO [UNAVAILABLE]" in answer.tagged for answer in answers)


def test_idle_survives_a_database_that_goes_away(imap: ImapServer) -> None:
    address = imap.account()
    reader, writer = selected(imap, address), imap.login(address)
    idle(reader)
    with psycopg.connect(imap.database_url, autocommit=True) as conn:
        conn.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'accessd'")

    while writer.append(b"INBOX", MESSAGE).status != "OK":
        pass

    assert reader.read_line() == b"* 1 EXISTS\r\n"
    assert done(reader).status == "OK"


def test_too_much_nonsense_ends_the_connection(imap: ImapServer) -> None:
    client = imap.connect()

    client.send(b"n NONSENSE\r\n" * 21)

    for _ in range(21):
        assert client.read_line() == b"n BAD Unknown command\r\n"
    assert client.read_line() == b"* BYE Too many invalid commands\r\n"


def test_sessions_end_politely_when_the_process_stops(second_imap: ImapServer) -> None:
    client = selected(second_imap, second_imap.account())
    idle(client)

    second_imap.process.send_signal(signal.SIGTERM)

    assert client.read_line() == b"* BYE Server shutting down\r\n"
    assert second_imap.process.wait(timeout=10) == 0
    assert second_imap.reports() == []


def test_the_process_reports_itself(imap: ImapServer) -> None:
    wait_until(lambda: imap.reports(), seconds=5)

    role, pid, listening = imap.reports()[0]

    assert (role, pid) == ("accessd", imap.process.pid)
    ports = {"imap": imap.port, "imaps": imap.tls_port, "pop3": imap.pop3_port}
    assert listening == [f"{name} 127.0.0.1:{port}" for name, port in ports.items()]
