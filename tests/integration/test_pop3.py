"""POP3 on a real accessd: poplib and raw sockets against both stores, TLS, locks, and what other programs do
meanwhile."""

import os
import poplib
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest

from mailcore.identity import AccountRef
from mailcore.index.records import Flags
from mailcore.mailbox import mailbox as mailboxes
from mailcore.mailbox.account import ensure_account, get_mailbox
from mailcore.mailbox.rebuild import rebuild_account
from mailcore.store.storage import Storage
from tests.fakes.certificates import TestAuthority
from tests.fixtures_servers import ROOT, Servers, choose_free_port, wait_until
from tests.integration.imap_server import DOMAIN, PASSWORD, encoded_password, listens, prepare_database

SMALL = b"From: a@example.net\nSubject: small\n\n.dots\n..\nend\n"
LARGE = b"Subject: large\n\n" + b"".join(b".line %d of a large message\n" % number for number in range(40_000))


@dataclass
class Pop3Server:
    """One accessd, and what is behind it."""

    port: int
    tls_port: int
    database_url: str
    home: Path
    ca_file: Path
    environment: dict[str, str]
    process: subprocess.Popen[bytes] | None = None

    @property
    def log(self) -> Path:
        return self.home / "log" / "accessd"

    def start(self) -> None:
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "accessd.service"], cwd=ROOT, env=self.environment, stdout=log, stderr=log
            )
        wait_until(lambda: listens(self.tls_port), seconds=30, what=self.log.read_text())

    def stop(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(timeout=15) == 0, self.log.read_text()

    def configure(self, **settings: int) -> None:
        """Change the settings and wait until they hold."""
        with psycopg.connect(self.database_url, autocommit=True) as conn:
            for name, value in settings.items():
                conn.execute(f"UPDATE server_settings SET {name} = %s", (value,))
            (generation,) = conn.execute("SELECT generation FROM config_generation").fetchone() or (0,)
            reported = "SELECT min(generation) FROM process_status"
            wait_until(lambda: (conn.execute(reported).fetchone() or (0,))[0] >= generation, what="the settings hold")

    def account(self, name: str, store: str = "maildir") -> AccountRef:
        address = f"{name}@{DOMAIN}"
        with psycopg.connect(self.database_url, autocommit=True) as conn:
            row = conn.execute(
                "INSERT INTO account (address, domain_id, password, display_name, quota_bytes, enabled, store,"
                " allow_imap, allow_pop3, allow_smtp, is_staff, is_superuser, created_at)"
                " VALUES (%s, %s, %s, '', 0, true, %s, true, true, true, false, false, now()) RETURNING id",
                (address, DOMAIN, encoded_password(), store),
            ).fetchone()
        assert row is not None
        return AccountRef(row[0], address, store)

    def append(self, account: AccountRef, *messages: bytes) -> None:
        storage = Storage(self.home / "mail")
        with psycopg.connect(self.database_url, autocommit=True) as conn:
            ensure_account(conn, storage, account)
            for message in messages:
                mailboxes.append(conn, storage, account, "INBOX", message, Flags(), None)

    def unique_ids(self, account: AccountRef) -> list[bytes]:
        """What UIDL tells a new session."""
        client = self.login(account)
        found: list[bytes] = client.uidl()[1]
        client.quit()
        return found

    def rebuild(self, account: AccountRef, *damage: str) -> str:
        """Damage the index of INBOX by statements with its id, and do what `manage.py rebuild_index` does."""
        with psycopg.connect(self.database_url, autocommit=True) as conn:
            inbox = get_mailbox(conn, account, "INBOX")
            for statement in damage:
                conn.execute(statement, (inbox.id,))
            return "\n".join(map(str, rebuild_account(conn, Storage(self.home / "mail"), account)))

    def flags(self, account: AccountRef) -> list[tuple[int, int]]:
        """(uid, flags) of INBOX."""
        with psycopg.connect(self.database_url, autocommit=True) as conn:
            inbox = get_mailbox(conn, account, "INBOX")
            return [(row.uid, row.flags) for row in mailboxes.rows(conn, inbox.id)]

    def connect(self, *, tls: bool = False) -> poplib.POP3:
        if tls:
            return poplib.POP3_SSL("127.0.0.1", self.tls_port, context=self.context(), timeout=20)
        return poplib.POP3("127.0.0.1", self.port, timeout=20)

    def login(self, account: AccountRef) -> poplib.POP3:
        client = self.connect()
        client.user(account.address)
        client.pass_(PASSWORD)
        return client

    def context(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=str(self.ca_file))


@pytest.fixture(scope="module", name="pop3")
def pop3_server(servers: Servers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pop3Server]:
    """One accessd for the tests of this module; each test takes accounts of its own."""
    home = tmp_path_factory.mktemp("home")
    for folder in ("mail", "log", "tls"):
        (home / folder).mkdir()
    url = servers.create_database()
    prepare_database(url)
    authority = TestAuthority(home / "tls")
    certificate, key = authority.issue("127.0.0.1")
    port, tls_port = choose_free_port(), choose_free_port()
    environment = os.environ | {
        "MAIL_HOME": str(home),
        "DATABASE_URL": url,
        "REDIS_URL": servers.empty_valkey_database(),
        "TLS_CERT": str(certificate),
        "TLS_KEY": str(key),
        "IMAP_PORT": "0",
        "IMAPS_PORT": "0",
        "POP3_PORT": str(port),
        "POP3S_PORT": str(tls_port),
    }
    server = Pop3Server(port, tls_port, url, home, authority.ca_file, environment)
    server.start()
    yield server
    server.stop()
    assert "Traceback" not in server.log.read_text()
    servers.drop_database(url)


@pytest.fixture(params=["maildir", "mbox"])
def store(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_messages_are_listed_retrieved_and_deleted(pop3, store):
    account = pop3.account(f"whole-{store}", store)
    pop3.append(account, SMALL, LARGE, b"Subject: third\n\nbody")

    client = pop3.login(account)
    count, size = client.stat()
    sizes = [int(line.split()[1]) for line in client.list()[1]]
    first, second, third = (b"\r\n".join(client.retr(number)[1]) + b"\r\n" for number in (1, 2, 3))
    client.dele(2)
    client.quit()

    assert (count, size) == (3, sum(sizes))
    assert first == SMALL.replace(b"\n", b"\r\n") and len(first) == sizes[0]
    assert second == LARGE.replace(b"\n", b"\r\n") and len(second) == sizes[1]
    assert third == b"Subject: third\r\n\r\nbody\r\n"
    assert [flags & 1 for _, flags in pop3.flags(account)] == [1, 1]
    client = pop3.login(account)
    assert client.stat()[0] == 2
    client.quit()


def test_unique_ids_stay_from_session_to_session(pop3, store):
    account = pop3.account(f"uidl-{store}", store)
    pop3.append(account, SMALL, SMALL, SMALL)

    client = pop3.login(account)
    before = [line.split()[1] for line in client.uidl()[1]]
    client.dele(1)
    client.quit()
    pop3.append(account, SMALL)
    client = pop3.login(account)
    after = [line.split()[1] for line in client.uidl()[1]]
    client.quit()

    assert len(set(before)) == 3
    assert after[:2] == before[1:]
    assert after[2] not in before


def test_unique_ids_stay_over_a_restart_and_a_session_that_is_open_then_is_told_and_deletes_nothing(pop3):
    accounts = [pop3.account(f"restarted-{store}", store) for store in ("maildir", "mbox")]
    clients, before = [], []
    for account in accounts:
        pop3.append(account, SMALL, SMALL)
        clients.append(client := pop3.login(account))
        before.append(client.uidl()[1])
        client.dele(1)

    pop3.stop()
    for client in clients:
        with pytest.raises(poplib.error_proto, match=r"-ERR \[SYS/TEMP\] Server shutting down"):
            client.quit()
    pop3.start()

    assert [pop3.unique_ids(account) for account in accounts] == before


def test_unique_ids_stay_over_a_rebuild_of_the_index(pop3, store):
    account = pop3.account(f"rebuilt-{store}", store)
    pop3.append(account, SMALL, LARGE, SMALL)
    client = pop3.login(account)
    client.dele(1)
    client.quit()
    before = pop3.unique_ids(account)

    report = pop3.rebuild(
        account,
        "UPDATE message SET size = size + 7, envelope = 'old' WHERE mailbox_id = %s",
        "UPDATE mailbox SET messages = 9, size = 9 WHERE id = %s",
    )

    assert "sizes corrected" in report
    assert pop3.unique_ids(account) == before


def test_no_unique_id_comes_again_when_the_index_was_lost(pop3, store):
    """Which message had which is not known any more: each is new to the client (RFC 1939 section 7)."""
    account = pop3.account(f"lost-{store}", store)
    pop3.append(account, SMALL, LARGE, SMALL)
    before = {line.split()[1] for line in pop3.unique_ids(account)}

    pop3.rebuild(account, "DELETE FROM message WHERE uid = 2 AND mailbox_id = %s")

    after = {line.split()[1] for line in pop3.unique_ids(account)}
    assert len(after) == 3 and not before & after


def test_two_logins_within_the_login_delay(pop3):
    account = pop3.account("impatient")
    pop3.configure(login_delay=600)
    try:
        client = pop3.login(account)
        assert client.capa()["LOGIN-DELAY"] == ["600"]
        client.quit()

        with pytest.raises(poplib.error_proto, match=r"-ERR \[LOGIN-DELAY\]"):
            pop3.login(account)
    finally:
        pop3.configure(login_delay=0)
    pop3.login(account).quit()


def test_poplib_asks_for_utf8(pop3):
    account = pop3.account("utf8")
    pop3.append(account, "Subject: Grüße\n\nbody\n".encode())
    client = pop3.connect()

    assert client.utf8().startswith(b"+OK")
    client.user(account.address)
    client.pass_(PASSWORD)

    assert "Subject: Grüße".encode() in client.retr(1)[1]
    client.quit()


def test_a_broken_connection_deletes_nothing(pop3):
    account = pop3.account("broken")
    pop3.append(account, SMALL)

    client = pop3.login(account)
    client.dele(1)
    client.close()

    wait_until(lambda: may_log_in(pop3, account), what="the lock is given back")
    assert len(pop3.flags(account)) == 1


def may_log_in(pop3, account):
    try:
        pop3.login(account).quit()
    except poplib.error_proto as error:
        if b"[IN-USE]" in error.args[0]:
            return False
        raise
    return True


def test_a_maildrop_has_one_session_at_a_time(pop3):
    account, other = pop3.account("locked"), pop3.account("unlocked")
    pop3.append(account, SMALL)
    first = pop3.login(account)

    with pytest.raises(poplib.error_proto, match="IN-USE"):
        pop3.login(account)
    pop3.login(other).quit()

    first.quit()
    pop3.login(account).quit()


def test_what_maildir_programs_drop_in_is_there(pop3):
    account = pop3.account("dropped")
    pop3.append(account, SMALL)
    new = pop3.home / "mail" / DOMAIN / "dropped" / "Maildir" / "new"
    (new / f"{int(time.time())}.M1P1.elsewhere").write_bytes(b"Subject: dropped in\n\nbody\n")

    client = pop3.login(account)

    assert client.stat()[0] == 2
    assert b"Subject: dropped in" in client.retr(2)[1]
    client.quit()


def test_a_message_expunged_meanwhile_is_an_error_and_the_session_goes_on(pop3):
    account = pop3.account("expunged")
    pop3.append(account, SMALL, SMALL)
    client = pop3.login(account)

    with psycopg.connect(pop3.database_url, autocommit=True) as conn:
        storage, inbox = Storage(pop3.home / "mail"), get_mailbox(conn, account, "INBOX")
        mailboxes.expunge(conn, storage, account, inbox, [1], only_deleted=False)

    with pytest.raises(poplib.error_proto, match="no longer there"):
        client.retr(1)
    assert b"Subject: small" in client.retr(2)[1]
    client.quit()


def test_tls_from_the_beginning_and_by_stls(pop3):
    account = pop3.account("tls")
    pop3.append(account, SMALL)

    for client in (pop3.connect(tls=True), pop3.connect()):
        if client.port == pop3.port:
            assert "STLS" in client.capa()
            client.stls(context=pop3.context())
        assert "STLS" not in client.capa()
        client.user(account.address)
        client.pass_(PASSWORD)
        assert b"Subject: small" in client.top(1, 0)[1]
        client.quit()


def test_nothing_sent_before_the_handshake_survives_it(pop3):
    account = pop3.account("injection")
    with socket.create_connection(("127.0.0.1", pop3.port), timeout=20) as plain:
        assert plain.recv(1000).startswith(b"+OK")
        plain.sendall(f"STLS\r\nUSER {account.address}\r\n".encode())
        assert plain.recv(1000) == b"+OK Begin TLS now\r\n"
        with pop3.context().wrap_socket(plain, server_hostname="127.0.0.1") as secure:
            secure.sendall(f"PASS {PASSWORD}\r\n".encode())
            assert secure.recv(1000) == b"-ERR USER comes first\r\n"


def test_pipelined_retrievals_are_answered_in_order(pop3):
    account = pop3.account("pipelined")
    pop3.append(account, *(b"Subject: number %d\n\nbody\n" % number for number in range(1, 101)))
    with socket.create_connection(("127.0.0.1", pop3.port), timeout=20) as raw:
        raw.sendall(f"USER {account.address}\r\nPASS {PASSWORD}\r\n".encode())
        raw.sendall(b"".join(b"RETR %d\r\n" % number for number in range(1, 101)) + b"QUIT\r\n")
        received = b""
        while data := raw.recv(1 << 16):
            received += data

    subjects = [line for line in received.split(b"\r\n") if line.startswith(b"Subject")]
    assert subjects == [b"Subject: number %d" % number for number in range(1, 101)]
    assert received.endswith(b"+OK Bye\r\n")


def test_a_wrong_password_and_a_protocol_not_allowed_are_refused_alike(pop3):
    account = pop3.account("refused")
    with psycopg.connect(pop3.database_url, autocommit=True) as conn:
        conn.execute("UPDATE account SET allow_pop3 = false WHERE id = %s", (account.id,))

    answers = []
    for password in (PASSWORD, "wrong"):
        client = pop3.connect()
        client.user(account.address)
        with pytest.raises(poplib.error_proto) as refused:
            client.pass_(password)
        answers.append(refused.value.args[0])
        client.quit()

    assert answers == [b"-ERR [AUTH] Authentication failed"] * 2


def test_a_client_that_reads_slowly_gets_all(pop3):
    account = pop3.account("slow")
    pop3.append(account, LARGE * 4)
    with socket.create_connection(("127.0.0.1", pop3.port), timeout=20) as raw:
        raw.sendall(f"USER {account.address}\r\nPASS {PASSWORD}\r\nRETR 1\r\nQUIT\r\n".encode())
        received = bytearray()
        # Long enough for the server to fill every buffer and wait for us.
        time.sleep(0.5)
        while data := raw.recv(1 << 16):
            received += data

    message = bytes(received).split(b" octets\r\n", 2)[2].removesuffix(b".\r\n+OK Bye\r\n")
    assert message.replace(b"\r\n..", b"\r\n.") == (LARGE * 4).replace(b"\n", b"\r\n")
