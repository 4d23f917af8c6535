"""Ports for balancers: the header is demanded, believed from balancers alone, and the client it names is the client.

127.0.0.1 is the balancer, 127.0.0.9 is nobody. 192.0.2.0/24 is in mynetworks.
"""

import contextlib
import itertools
import re
import socket
import ssl

import pytest

from tests.fakes.balancer import LOCAL, Place, ssl_tlv, v1, v2, with_checksum
from tests.fakes.mail_node import SERVICES, MailNode, make_site
from tests.fixtures_servers import wait_until
from tests.integration.smtp_server import DOMAIN, PASSWORD, RawClient, encoded_password, prepare_database

BALANCER, NOBODY = "127.0.0.1", "127.0.0.9"
SERVER = Place("198.51.100.25", 25)
TRUSTED, STRANGER = "192.0.2.7", "203.0.113.9"
GREETINGS = dict.fromkeys(("smtp", "submission", "submissions"), b"220 ")
GREETINGS |= dict.fromkeys(("imap", "imaps"), b"* OK ") | dict.fromkeys(("pop3", "pop3s"), b"+OK ")
TLS = ("submissions", "imaps", "pop3s")
_numbers = itertools.count(1)


@pytest.fixture(scope="module")
def site(servers, tmp_path_factory):
    site = make_site(servers, tmp_path_factory.mktemp("home"))
    prepare_database(site.database_url)
    site.execute("INSERT INTO my_network VALUES (DEFAULT, '192.0.2.0/24', '', true, '')")
    site.execute("UPDATE server_settings SET haproxy_trusted_networks = '{127.0.0.1/32}'")
    site.execute("UPDATE server_settings SET plaintext_auth = 'mynetworks'")
    node = MailNode(site)
    node.start()
    yield site
    node.stop()
    assert [process.returncode for process in node.processes.values()] == [0, 0]
    servers.drop_database(site.database_url)


@pytest.fixture
def through(site):
    """Connect to a port as the balancer, with this header: the socket, after TLS where the port begins with it."""
    opened = []

    def connect(service, header, source=BALANCER, *, tls=None):
        sock = socket.create_connection(
            ("127.0.0.1", site.proxy_ports[service]), timeout=15, source_address=(source, 0)
        )
        opened.append(sock)
        sock.sendall(header)
        if service in TLS if tls is None else tls:
            context = ssl.create_default_context(cafile=str(site.authority.ca_file))
            sock = context.wrap_socket(sock, server_hostname="127.0.0.1")
            opened.append(sock)
        return sock

    yield connect
    for sock in opened:
        sock.close()


def client(host=STRANGER):
    return Place(host, 40000 + next(_numbers))


def header(host=STRANGER, tlvs=b""):
    return v2(client(host), Place("2001:db8::25", 25) if ":" in host else SERVER, tlvs)


def line(sock):
    found = b""
    while not found.endswith(b"\r\n"):
        octet = sock.recv(1)
        if not octet:
            raise ConnectionError(found)
        found += octet
    return found


def ask(sock, text):
    sock.sendall(text + b"\r\n")
    return line(sock)


def is_closed(sock):
    try:
        return sock.recv(100) == b""
    except ConnectionError:
        return True


def smtp(through, head, service="smtp"):
    session = RawClient(through(service, head))
    session.greeting = session.reply()
    assert session.code(b"EHLO client.test") == b"250"
    return session


def account(site):
    address = f"user{next(_numbers)}@{DOMAIN}"
    site.execute(
        "INSERT INTO account (address, domain_id, password, display_name, quota_bytes, enabled, store, allow_imap,"
        " allow_pop3, allow_smtp, is_staff, is_superuser, created_at)"
        " VALUES (%s, %s, %s, '', 0, true, 'maildir', true, true, true, false, false, now())",
        (address, DOMAIN, encoded_password()),
    )
    return address


def stored(site, address):
    local, _, domain = address.partition("@")
    return [path.read_text() for path in (site.home / "mail" / domain / local / "Maildir" / "new").glob("*")]


# The header.


@pytest.mark.parametrize("service", SERVICES)
@pytest.mark.parametrize(
    "head",
    [
        v1(Place(STRANGER, 4711), SERVER),
        v1(Place("2001:db8::7", 4711), Place("2001:db8::25", 25)),
        v2(Place(STRANGER, 4711), SERVER),
        with_checksum(Place("2001:db8::7", 4711), Place("2001:db8::25", 25), ssl_tlv(flags=0)),
        v2(command=LOCAL),
        b"PROXY UNKNOWN\r\n",
    ],
    ids=["v1", "v1-ipv6", "v2", "v2-ipv6-tlvs", "local", "unknown"],
)
def test_after_the_header_every_port_is_as_any_other(through, service, head):
    assert line(through(service, head)).startswith(GREETINGS[service])


@pytest.mark.parametrize("service", SERVICES)
def test_a_header_may_come_in_pieces(through, service):
    head = header(tlvs=ssl_tlv(flags=0))
    sock = through(service, head[:1], tls=False)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for place in range(1, len(head), 7):
        sock.sendall(head[place : place + 7])

    with ssl._create_unverified_context().wrap_socket(sock) if service in TLS else sock as sock:
        assert line(sock).startswith(GREETINGS[service])


@pytest.mark.parametrize("service", TLS)
def test_the_tls_handshake_may_come_in_the_same_segment(through, service):
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = ssl._create_unverified_context().wrap_bio(incoming, outgoing)
    with contextlib.suppress(ssl.SSLWantReadError):
        tls.do_handshake()

    sock = through(service, header() + outgoing.read(), tls=False)

    said = b""
    while not said:
        incoming.write(sock.recv(1 << 16))
        with contextlib.suppress(ssl.SSLWantReadError):
            tls.do_handshake()
            said = tls.read(100)
        sock.sendall(outgoing.read())
    assert said.startswith(GREETINGS[service])


@pytest.mark.parametrize(("service", "command"), [("imap", b"a1 NOOP\r\n"), ("pop3", b"NOOP\r\n")])
def test_what_follows_the_header_at_once_is_the_clients(through, service, command):
    sock = through(service, header() + command)

    assert line(sock).startswith(GREETINGS[service])
    assert line(sock).startswith((b"a1 OK", b"-ERR"))


def test_an_smtp_client_that_does_not_wait_is_refused_behind_a_balancer_too(through):
    sock = through("smtp", header() + b"EHLO client.test\r\n")

    assert line(sock).startswith(b"220 ")
    assert line(sock).startswith(b"554 ")


@pytest.mark.parametrize("service", SERVICES)
@pytest.mark.parametrize(
    "head",
    [
        b"EHLO client.test\r\n",
        b"PROXY TCP4 203.0.113.9 198.51.100.25 4711\r\n",
        b"PROXY TCP4 203.0.113.09 198.51.100.25 4711 25\r\n",
        b"PROXY " + b"x" * 200,
        b"\x16\x03\x01\x02\x00",
        with_checksum(Place(STRANGER, 1), SERVER)[:-1] + b"\xff",
    ],
    ids=["none", "short", "octal", "endless", "tls", "checksum"],
)
def test_what_is_no_header_ends_the_connection(through, service, head):
    assert is_closed(through(service, head, tls=False))


def test_who_says_nothing_is_not_waited_for(through):
    silent = [through(service, b"", tls=False) for service in SERVICES]
    hesitant = [through(service, b"PROXY TCP4", tls=False) for service in SERVICES]

    assert all(is_closed(sock) for sock in silent + hesitant)


@pytest.mark.parametrize("service", SERVICES)
@pytest.mark.parametrize("head", [v1(Place(TRUSTED, 1), SERVER), v2(Place(TRUSTED, 1), SERVER), b""])
def test_nobody_but_the_balancers_may_use_the_port(through, site, service, head):
    with contextlib.suppress(ConnectionError):
        assert is_closed(through(service, head, source=NOBODY, tls=False))

    program = "smtpd" if service.startswith(("smtp", "sub")) else "accessd"
    wait_until(lambda: f"balancer_not_trusted client={NOBODY}" in site.logged(program))


@pytest.mark.parametrize("head", [v1(Place(TRUSTED, 1), SERVER), v2(Place(TRUSTED, 1), SERVER)])
@pytest.mark.parametrize("service", [name for name in SERVICES if name not in TLS])
def test_on_other_ports_a_header_is_never_believed(site, service, head):
    """Not even from a balancer."""
    with socket.create_connection(("127.0.0.1", site.ports[service]), timeout=15) as sock:
        assert line(sock).startswith(GREETINGS[service])
        sock.sendall(head)
        assert re.match(rb"5\d\d |\S+ BAD |\* (BAD|BYE)|-ERR", line(sock))


def test_trust_is_live(through, site):
    site.change("UPDATE server_settings SET haproxy_trusted_networks = '{127.0.0.9/32}'")
    try:
        assert line(through("smtp", header(), source=NOBODY)).startswith(b"220")
        assert is_closed(through("smtp", header()))
        assert line(through("imap", header(), source=NOBODY)).startswith(b"* OK")
        assert is_closed(through("imap", header()))
        # A balancer on this machine that was forgotten is named; who only looks whether the port is open is not.
        wait_until(lambda: "balancer_not_trusted client=127.0.0.1" in site.logged("smtpd"))
        told = site.logged("accessd").count("client=127.0.0.1")
        through("imap", b"", tls=False).close()
        assert is_closed(through("imap", header()))
        wait_until(lambda: site.logged("accessd").count("client=127.0.0.1") == told + 1)
    finally:
        site.change("UPDATE server_settings SET haproxy_trusted_networks = '{127.0.0.1/32}'")


# The client.


@pytest.mark.parametrize(("host", "code"), [(TRUSTED, b"250"), (STRANGER, b"554")])
@pytest.mark.parametrize("version", [v1, v2])
def test_mynetworks_is_asked_for_the_client_not_for_the_balancer(through, host, code, version):
    """The balancer, 127.0.0.1, is in mynetworks here."""
    session = smtp(through, version(client(host), SERVER))
    session.say(b"MAIL FROM:<a@elsewhere.example>")

    assert session.code(b"RCPT TO:<b@elsewhere.example>") == code


def test_received_maillog_and_trace_name_the_client(through, site):
    to = account(site)
    session = smtp(through, header("2001:db8::77"))
    session.say(b"MAIL FROM:<a@elsewhere.example>")
    assert session.code(b"RCPT TO:<" + to.encode() + b">") == b"250"
    session.say(b"DATA")
    assert session.code(b"Subject: proxied\r\n\r\nHello.\r\n.") == b"250"

    assert "[IPv6:2001:db8::77]" in stored(site, to)[0].partition("\n\n")[0]
    seen = "SELECT 1 FROM trace_event WHERE kind = 'accepted' AND client_address = '2001:db8::77'"
    wait_until(lambda: site.execute(seen))
    wait_until(lambda: "connect from unknown[2001:db8::77]" in site.maillog)


def test_limits_count_the_clients_of_a_balancer_one_by_one(through, site):
    site.change("UPDATE server_settings SET client_connection_limit = 2")
    try:
        assert [line(through("smtp", header("203.0.113.50")))[:3] for _ in range(3)] == [b"220", b"220", b"421"]
        assert line(through("smtp", header("203.0.113.51")))[:3] == b"220"
    finally:
        site.change("UPDATE server_settings SET client_connection_limit = 0")


@pytest.mark.parametrize("service", ["imap", "pop3", "submission"])
def test_a_password_in_the_clear_is_a_matter_of_the_clients_network(through, site, service):
    user = account(site).encode()

    def login(host):
        sock = through(service, header(host))
        line(sock)
        if service == "imap":
            return ask(sock, b"a1 LOGIN " + user + b' "' + PASSWORD.encode() + b'"').split()[1]
        if service == "pop3":
            return ask(sock, b"USER " + user).split()[0]
        sock.sendall(b"EHLO client.test\r\n")
        return b"AUTH" in sock.recv(4000)

    assert login(TRUSTED) in (b"OK", b"+OK", True)
    assert login(STRANGER) in (b"NO", b"-ERR", False)


def test_failed_logins_are_held_against_the_client_alone(through, site):
    user = account(site).encode()
    guess, right = b"a1 LOGIN %b wrong" % user, b'a1 LOGIN %b "%b"' % (user, PASSWORD.encode())

    def login(host, command):
        sock = through("imap", header(host, ssl_tlv(b"TLSv1.3", b"TLS_AES_256_GCM_SHA384")))
        line(sock)
        sock.sendall(command + b"\r\n")
        answer = line(sock)
        while not answer.startswith(b"a1 "):
            answer = line(sock)
        return answer

    guesses = [login("192.0.2.66", guess) for _ in range(30)]
    assert any(b"UNAVAILABLE" in answer or b"[LIMIT]" in answer for answer in guesses), guesses[-1]
    assert b"UNAVAILABLE" in login("192.0.2.67", guess), "a network counts as one"
    assert login("198.51.100.67", right).startswith(b"a1 OK")


# TLS that ends at the balancer.


def test_tls_at_the_balancer_is_the_clients_tls(through, site):
    user = account(site).encode()
    secured = header(STRANGER, ssl_tlv(b"TLSv1.3", b"TLS_AES_256_GCM_SHA384"))

    imap = through("imap", secured)
    assert b"STARTTLS" not in line(imap)
    assert b"a1 OK" in ask(imap, b'a1 LOGIN %b "%b"' % (user, PASSWORD.encode()))
    pop3 = through("pop3", secured)
    line(pop3)
    assert ask(pop3, b"USER " + user).startswith(b"+OK")
    assert ask(pop3, b"PASS " + PASSWORD.encode()).startswith(b"+OK")
    session = RawClient(through("submission", secured))
    session.reply()
    offered = session.say(b"EHLO client.test")
    assert b"AUTH PLAIN" in offered
    assert b"STARTTLS" not in offered
    assert session.code(b"STARTTLS") == b"503"


def test_received_names_the_tls_of_the_balancer(through, site):
    to = account(site)
    session = smtp(through, header(STRANGER, ssl_tlv(b"TLSv1.2", b"ECDHE-RSA-AES128-GCM-SHA256")))
    session.say(b"MAIL FROM:<a@elsewhere.example>")
    session.say(b"RCPT TO:<" + to.encode() + b">")
    session.say(b"DATA")
    assert session.code(b"\r\n.") == b"250"

    head = " ".join(stored(site, to)[0].partition("\n\n")[0].split())
    assert "(using TLSv1.2 with cipher ECDHE-RSA-AES128-GCM-SHA256)" in head
    assert "with ESMTPS" in head


# Health checks.


@pytest.mark.parametrize("head", [v2(command=LOCAL), b"PROXY UNKNOWN\r\n", None])
def test_checks_of_the_balancer_leave_no_line(through, site, head):
    """A check of version 1 has the balancer's own address and port in its header."""
    before, told = site.maillog, len(site.logged("smtpd"))
    for service in ("smtp", "submission", "submissions"):
        if head is None:
            sock = through(service, b"", tls=False)
            own, server = Place(*sock.getsockname()), Place(*sock.getpeername())
            sock.sendall(v1(own, server))
            sock = ssl._create_unverified_context().wrap_socket(sock) if service in TLS else sock
        else:
            sock = through(service, head)
        session = RawClient(sock)
        assert session.reply().startswith(b"220")
        assert session.code(b"EHLO balancer.invalid") == b"250"
        assert session.code(b"QUIT") == b"221"
        session.close()
    marker = f"203.0.113.{100 + next(_numbers)}"
    RawClient(through("smtp", header(marker))).reply()
    wait_until(lambda: f"connect from unknown[{marker}]" in site.maillog)

    assert "127.0.0.1" not in site.maillog[len(before) :]
    assert "127.0.0.1" not in site.logged("smtpd")[told:]


def test_a_balancer_that_sends_mail_itself_is_recorded(through, site):
    before = len(site.maillog)

    session = smtp(through, v2(command=LOCAL))
    session.say(b"MAIL FROM:<balancer@elsewhere.example>")
    session.close()

    wait_until(lambda: "connect from localhost[127.0.0.1]" in site.maillog[before:])
