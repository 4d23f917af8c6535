"""Who is connected: what accessd writes into client_session, when it writes nothing, and how a session is ended."""

import asyncio
import poplib
import time
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import psycopg
import pytest
from psycopg.rows import dict_row

from accessd.limits import MOST_GONE
from accessd.sessions import IDLE_AFTER_S, SessionRegistry
from mailcore.db.sessions import Answer, SessionRow, begin, end, end_of_account, tell
from mailcore.db.status import ProcessReport, forget, report
from mailcore.directory.lookups import AccountRecord
from mailcore.identity import AccountRef
from tests.fixtures_servers import wait_until
from tests.integration.imap_server import PASSWORD
from tests.integration.imap_server import imap_process_of_module as imap_process_of_module
from tests.integration.imap_server import imap_server as imap_server

ELSEWHERE = "Your network is no longer allowed for this account"
THREADS = 8
WAITING = "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'subscription'::regclass"
OWN_PASSWORD = "Your own password is no longer allowed for this account"
AN_APP_PASSWORD = (
    "INSERT INTO app_password (account_id, name, digest, stored_key, server_key, allow_imap, allow_pop3, allow_smtp,"
    " networks, created_at) VALUES (1, 'telephone', '', '', '', true, true, true, '{}', now()) RETURNING id"
)
SESSIONS = "SELECT s.*, a.address FROM client_session s JOIN account a ON a.id = s.account_id ORDER BY s.id"


def sessions(database_url, address=""):
    with psycopg.connect(database_url, row_factory=dict_row) as conn:
        return [row for row in conn.execute(SESSIONS).fetchall() if address in ("", row["address"])]


def pop3_login(imap, address):
    client = poplib.POP3("127.0.0.1", imap.pop3_port, timeout=10)
    client.user(address)
    client.pass_(PASSWORD)
    return client


def test_a_pop3_session_is_listed_while_it_lasts_and_ended_with_a_word(imap):
    address = imap.account()
    before = datetime.now(UTC) - timedelta(seconds=5)

    client = pop3_login(imap, address)
    # It may be seen first while its maildrop is opened.
    wait_until(lambda: [row["mailbox"] for row in sessions(imap.database_url, address)] == ["INBOX"], what="listed")
    (row,) = sessions(imap.database_url, address)
    with psycopg.connect(imap.database_url, autocommit=True) as conn:
        ended = end(conn, [row["id"]], "Ended by the administrator")

    assert (row["protocol"], row["mailbox"], row["tls"]) == ("pop3", "INBOX", False)
    assert (str(row["client_address"]), row["idle_since"], row["end_wanted"]) == ("127.0.0.1", None, "")
    assert before < row["since"] <= datetime.now(UTC)
    assert ended == 1
    assert client.file.readline() == b"-ERR [SYS/TEMP] Ended by the administrator\r\n"
    assert client.file.readline() == b""
    wait_until(lambda: not sessions(imap.database_url, address), what="it is listed no more")


def test_an_imap_session_is_listed_with_what_it_says_and_selects_and_ended_within_three_seconds(imap):
    address = imap.account()
    client = imap.connect(tls=True)
    client.ok(b'ID ("name" "Thunderbird" "version" "115.3")')
    client.ok(f'LOGIN {address} "{PASSWORD}"'.encode())
    client.ok(b"SELECT INBOX")
    client.send(b"i IDLE\r\n")
    assert client.read_line().startswith(b"+ ")
    wait_until(lambda: [row["mailbox"] for row in sessions(imap.database_url, address)] == ["INBOX"], what="listed")
    (row,) = sessions(imap.database_url, address)

    begun = time.monotonic()
    with psycopg.connect(imap.database_url, autocommit=True) as conn:
        end_of_account(conn, row["account_id"], "Ended by the administrator")

    assert client.read_line() == b"* BYE Ended by the administrator\r\n"
    assert time.monotonic() - begun < 3
    assert (row["protocol"], row["tls"], row["client_id"]) == ("imap", True, "Thunderbird 115.3")
    with pytest.raises(ConnectionError):
        client.read_line()


def test_a_session_ends_though_every_thread_has_other_work(imap):
    address = imap.account()
    client = imap.login(address)
    client.ok(b"SELECT INBOX")
    client.send(b"i IDLE\r\n")
    assert client.read_line().startswith(b"+ ")
    wait_until(lambda: [row["mailbox"] for row in sessions(imap.database_url, address)] == ["INBOX"], what="listed")
    [row] = sessions(imap.database_url, address)
    others = [imap.login(imap.account()) for _ in range(THREADS + 1)]

    with psycopg.connect(imap.database_url) as conn:
        conn.execute("LOCK TABLE subscription")
        for other in others:
            other.send(b's LSUB "" *\r\n')
        with psycopg.connect(imap.database_url, autocommit=True) as another:
            wait_until(lambda: another.execute(WAITING).fetchone() == (THREADS,), what="all threads wait")
            end_of_account(another, row["account_id"], "Ended by the administrator")

        assert client.read_line() == b"* BYE Ended by the administrator\r\n"
    for other in others:
        assert other.read_answer(b"s").status == "OK"


def test_sessions_of_who_may_not_log_in_any_more_end_within_three_seconds(imap):
    """From networks that are allowed no more, or with a password that is another now."""
    moved, changed, other = imap.account(), imap.account(), imap.account()
    clients = {address: (imap.login(address), pop3_login(imap, address)) for address in (moved, changed)}
    there = imap.login(other)
    for address in clients:
        wait_until(lambda address=address: len(sessions(imap.database_url, address)) == 2, what="listed")

    begun = time.monotonic()
    imap.execute("UPDATE account SET login_networks = '{192.0.2.0/24}' WHERE address = %s", (moved,))
    imap.execute("UPDATE account SET login_networks = '{127.0.0.0/8}' WHERE address = %s", (other,))
    imap.execute("UPDATE account SET password = '!' WHERE address = %s", (changed,))

    for address, words in ((moved, ELSEWHERE), (changed, "Password changed")):
        client, pop3 = clients[address]
        assert client.read_line() == f"* BYE {words}\r\n".encode()
        assert pop3.file.readline() == f"-ERR [AUTH] {words}\r\n".encode()
    assert time.monotonic() - begun < 3
    there.ok(b"NOOP")


def test_one_account_has_so_many_connections_over_both_protocols(imap):
    address, other = imap.account(), imap.account()
    imap.execute("UPDATE server_settings SET account_connection_limit = 2")
    try:
        wait_until(lambda: min(generation for _, generation in generations(imap)) >= committed(imap), what="in force")
        first, _second = imap.login(address), pop3_login(imap, address)

        third = imap.connect()
        answer = third.command(f'LOGIN {address} "{PASSWORD}"'.encode())
        with pytest.raises(poplib.error_proto) as refused:
            pop3_login(imap, address)

        assert answer.tagged == b"t1 NO [LIMIT] Too many connections of this account\r\n"
        assert refused.value.args[0] == b"-ERR [SYS/TEMP] Too many connections of this account"
        third.ok(f'LOGIN {other} "{PASSWORD}"'.encode())
        first.ok(b"LOGOUT")
        first.close()
        fourth = imap.connect()
        wait_until(lambda: fourth.command(f'LOGIN {address} "{PASSWORD}"'.encode()).status == "OK", what="room again")
    finally:
        imap.execute("UPDATE server_settings SET account_connection_limit = 50")


def generations(imap):
    with psycopg.connect(imap.database_url) as conn:
        return conn.execute("SELECT pid, generation FROM process_status").fetchall()


def committed(imap):
    with psycopg.connect(imap.database_url) as conn:
        return conn.execute("SELECT generation FROM config_generation").fetchone()[0]


@pytest.fixture
def conn(servers):
    """A database in which this process reports, with the account 1."""
    url = servers.create_database()
    with psycopg.connect(url, autocommit=True) as conn:
        conn.execute(
            "INSERT INTO domain (name, kind, enabled, description, created_at) VALUES ('a', 'local', true, '', now())"
        )
        conn.execute(
            "INSERT INTO account (id, address, domain_id, password, display_name, quota_bytes, enabled, store,"
            " allow_imap, allow_pop3, allow_smtp, is_staff, is_superuser, created_at)"
            " VALUES (1, 'a@a', 'a', '', '', 0, true, 'maildir', true, true, true, false, false, now())"
        )
        report(conn, ProcessReport("accessd", 0, datetime.now(UTC), 1))
        yield conn
    servers.drop_database(url)


def a_row(number, **more):
    values = {"protocol": "imap", "account_id": 1, "client_address": "192.0.2.1", "client_id": "", "tls": True}
    values |= {"since": datetime(2026, 1, 1, tzinfo=UTC), "mailbox": "INBOX", "idle_since": None}
    return SessionRow(number, **{**values, **more})


def listed(conn):
    return conn.execute("SELECT number, mailbox, end_wanted FROM client_session ORDER BY number").fetchall()


def test_rows_are_made_changed_and_removed_in_one_statement(conn):
    tell(conn, [a_row(1), a_row(2), a_row(3)], [])

    answer = tell(conn, [a_row(2, mailbox="Sent"), a_row(4)], [1, 3])

    assert listed(conn) == [(2, "Sent", ""), (4, "INBOX", "")]
    assert answer.ends == {}


def test_an_end_that_is_wanted_stays_wanted_until_the_row_is_gone(conn):
    tell(conn, [a_row(1), a_row(2)], [])
    conn.execute("UPDATE client_session SET app_password_id = 9 WHERE number = 2")

    assert end_of_account(conn, 1, "Password revoked", app_password_id=9) == 1
    tell(conn, [a_row(2, mailbox="Sent", app_password_id=0)], [])

    assert tell(conn, [], []).ends == {2: "Password revoked"}
    assert end_of_account(conn, 1, "Ended") == 1
    assert tell(conn, [], []).ends == {1: "Ended", 2: "Password revoked"}
    assert tell(conn, [], [1, 2]).ends == {1: "Ended", 2: "Password revoked"}
    assert tell(conn, [], []).ends == {}


@pytest.mark.parametrize(
    ("statement", "ended"),
    [
        ("UPDATE account SET enabled = false", {1: "Account disabled", 2: "Account disabled"}),
        ("UPDATE account SET allow_imap = false", {1: "IMAP is no longer allowed for this account"}),
        ("UPDATE account SET allow_pop3 = false", {2: "POP3 is no longer allowed for this account"}),
        ("UPDATE account SET login_networks = '{198.51.100.0/24, 2001:db8::/32}'", {1: ELSEWHERE, 2: ELSEWHERE}),
        ("UPDATE account SET login_networks = '{198.51.100.0/24, 192.0.2.0/24}'", {}),
        ("UPDATE account SET login_networks = '{}'", {}),
        ("UPDATE account SET display_name = 'x', enabled = true", {}),
        ("DELETE FROM account", {1: "Account deleted", 2: "Account deleted"}),
    ],
)
@pytest.mark.parametrize("before", [True, False])
def test_sessions_of_who_may_no_longer_log_in_end(conn, statement, ended, before):
    rows = [a_row(1), a_row(2, protocol="pop3")]
    if before:
        tell(conn, rows, [])
        conn.execute(statement)
    else:
        conn.execute(statement)
        tell(conn, rows, [])

    assert tell(conn, [], []).ends == ended


@pytest.mark.parametrize("before", [True, False])
def test_sessions_of_a_revoked_app_password_end_and_no_others(conn, before):
    (app_password,) = conn.execute(AN_APP_PASSWORD).fetchone()
    rows = [a_row(1), a_row(2, app_password_id=app_password)]
    if before:
        tell(conn, rows, [])
        conn.execute("DELETE FROM app_password")
    else:
        conn.execute("DELETE FROM app_password")
        tell(conn, rows, [])

    assert tell(conn, [], []).ends == {2: "App password revoked"}


@pytest.mark.parametrize("before", [True, False])
@pytest.mark.parametrize(
    ("change", "ended"),
    [
        ("password = 'another hash'", {1: "Password changed", 2: "Password changed"}),
        ("password = 'the hash of today'", {}),
        ("app_passwords_only = true", {1: OWN_PASSWORD, 2: OWN_PASSWORD}),
        ("enabled = false, password = '!'", dict.fromkeys((1, 2, 3), "Account disabled")),
    ],
)
def test_sessions_of_another_password_end_but_not_those_of_an_app_password(conn, change, ended, before):
    conn.execute("UPDATE account SET password = 'the hash of today'")
    (app_password,) = conn.execute(AN_APP_PASSWORD).fetchone()
    rows = [
        a_row(1, hash_end="he hash of today"),
        a_row(2, protocol="pop3", hash_end="he hash of today"),
        a_row(3, app_password_id=app_password),
    ]
    if before:
        tell(conn, rows, [])
        conn.execute(f"UPDATE account SET {change}")
    else:
        conn.execute(f"UPDATE account SET {change}")
        tell(conn, rows, [])

    assert tell(conn, [], []).ends == ended


def test_rows_go_with_their_process_and_a_new_process_of_that_number_has_none(conn):
    tell(conn, [a_row(1)], [])
    begin(conn)
    assert listed(conn) == []
    tell(conn, [a_row(1)], [])
    forget(conn)
    assert listed(conn) == []


def test_the_table_costs_no_write_ahead_log(conn):
    assert conn.execute("SELECT relpersistence FROM pg_class WHERE relname = 'client_session'").fetchone() == ("u",)


def a_session():
    return SimpleNamespace(
        mailbox_name="INBOX", account=AccountRecord(AccountRef(1, "a@a"), "a hash that is much longer")
    )


class Client(SimpleNamespace):
    """What the registry looks at."""

    __hash__ = object.__hash__


class Site:
    """A registry over connections that are none, and what it tells."""

    def __init__(self):
        self.limits = SimpleNamespace(connections=set(), gone=[])
        self.registry = SessionRegistry(self.limits)
        self.told, self.answer, self.failure, self.begun = [], Answer({}, "at noon"), None, 0
        self.addresses, self.hash_ends = [], []

    def connect(self, **more):
        now = asyncio.get_running_loop().time()
        values = {"number": 0, "protocol": "imap", "account_id": 1, "peer": "192.0.2.1", "client_id": "", "tls": True}
        values |= {"since": 0.0, "app_password_id": 0, "session": a_session()}
        values |= {"told": 0, "told_at": 0.0, "last_active": now, "ended": []}
        connection = Client(**{**values, **more})
        connection.expire = connection.ended.append
        self.limits.connections.add(connection)
        return connection

    async def offload(self, function, rows=(), gone=()):
        if self.failure:
            raise self.failure
        if function is begin:
            self.begun += 1
            return None
        assert function is tell
        self.addresses += [row.client_address for row in rows]
        self.hash_ends += [row.hash_end for row in rows]
        self.told.append(([(row.number, row.mailbox, row.idle_since is not None) for row in rows], list(gone)))
        return self.answer

    async def tell(self):
        await self.registry.tell(self.offload)
        return self.told[-1]


def on_loop(dialogue):
    asyncio.run(dialogue(Site()))


def test_what_has_not_changed_is_not_told_again():
    async def dialogue(site):
        connection, _unknown = site.connect(), site.connect(account_id=0)

        assert await site.tell() == ([(1, "INBOX", False)], [])
        assert await site.tell() == ([], [])
        connection.session.mailbox_name = "Sent"
        assert await site.tell() == ([(1, "Sent", False)], [])

    on_loop(dialogue)


def test_a_client_of_an_ipv6_socket_is_told_by_its_own_address():
    """A network of IPv4 has no room for ::ffff:192.0.2.1."""

    async def dialogue(site):
        site.connect(peer="::ffff:192.0.2.1")
        site.connect(peer="fe80::1%eth0")

        await site.tell()

        assert sorted(site.addresses) == ["192.0.2.1", "fe80::1"]

    on_loop(dialogue)


def test_the_end_of_the_hash_is_told_of_who_came_with_the_accounts_own_password():
    async def dialogue(site):
        site.connect()
        site.connect(app_password_id=7)
        site.connect(session=None)

        await site.tell()

        assert sorted(site.hash_ends) == ["", "", "that is much longer"[-16:]]

    on_loop(dialogue)


def test_an_idle_session_is_told_once_and_again_when_it_wakes():
    async def dialogue(site):
        connection = site.connect()
        connection.last_active -= IDLE_AFTER_S

        assert await site.tell() == ([(1, "INBOX", True)], [])
        # Nothing is even looked at: a session that could not be read is not missed.
        connection.session = None
        assert await site.tell() == ([], [])
        connection.session = a_session()
        connection.last_active = asyncio.get_running_loop().time()
        assert await site.tell() == ([(1, "INBOX", False)], [])

    on_loop(dialogue)


def test_no_session_is_idle_for_longer_than_it_is_there():
    """The two moments are of two clocks, and one of them is rounded."""

    async def dialogue(site):
        connection, rows = site.connect(since=time.time() - IDLE_AFTER_S), []
        connection.last_active -= IDLE_AFTER_S + 1

        async def offload(function, told=(), gone=()):
            rows.extend(told)
            return Answer({}, "at noon")

        await site.registry.tell(offload)

        assert [row.idle_since for row in rows] == [rows[0].since]

    on_loop(dialogue)


def test_what_could_not_be_written_is_written_next_time():
    async def dialogue(site):
        site.connect()
        await site.tell()
        site.connect()
        site.limits.gone.append(7)
        site.failure = psycopg.OperationalError("away")
        with pytest.raises(psycopg.OperationalError):
            await site.tell()
        site.failure = None

        assert await site.tell() == ([(2, "INBOX", False)], [7])
        assert await site.tell() == ([], [])
        assert site.begun == 1

    on_loop(dialogue)


def test_after_a_restart_of_the_database_all_is_told_anew():
    async def dialogue(site):
        connection = site.connect()
        connection.last_active -= IDLE_AFTER_S
        await site.tell()
        site.answer = Answer({}, "at one")
        assert await site.tell() == ([], [])

        assert await site.tell() == ([(1, "INBOX", True)], [])

    on_loop(dialogue)


def test_after_a_long_time_without_a_database_all_is_told_anew():
    async def dialogue(site):
        site.connect()
        await site.tell()
        site.limits.gone.extend(range(MOST_GONE + 1))

        await site.tell()

        assert site.told == [([(1, "INBOX", False)], [])] * 2
        assert (site.begun, site.limits.gone) == (2, [])

    on_loop(dialogue)


def test_a_session_that_goes_while_it_is_written_is_removed_next_time():
    async def dialogue(site):
        connection = site.connect()
        offload = site.offload

        async def slow(function, *arguments):
            if function is tell:
                site.limits.connections.discard(connection)
            return await offload(function, *arguments)

        site.offload = slow
        assert await site.tell() == ([(1, "INBOX", False)], [])
        assert await site.tell() == ([], [1])

    on_loop(dialogue)


def test_whom_the_panel_wants_to_end_is_ended_and_nobody_else():
    async def dialogue(site):
        first, second = site.connect(), site.connect()
        await site.tell()
        site.answer = Answer({first.number: "Ended by the administrator"}, "at noon")

        await site.tell()

        assert (first.ended, second.ended) == (["Ended by the administrator"], [])

    on_loop(dialogue)
