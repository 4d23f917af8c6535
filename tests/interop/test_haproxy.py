"""Debian's HAProxy with deploy/haproxy.cfg in front of two nodes with one database and one mail volume."""

import imaplib
import itertools
import os
import poplib
import smtplib
import socket
import ssl
import subprocess
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from tests.fakes.mail_node import SERVICES, MailNode, make_site
from tests.fixtures_servers import ROOT, choose_free_port, wait_until
from tests.integration.smtp_server import DOMAIN, PASSWORD, encoded_password, prepare_database

CONFIGURATION = ROOT / "deploy" / "haproxy.cfg"
NODES = ("127.0.1.1", "127.0.1.2")
# In mynetworks; the balancer's own address, 127.0.0.1, is not.
TRUSTED, STRANGER = "127.0.0.7", "127.0.0.8"
USER = f"alice@{DOMAIN}"
_sources = itertools.count(20)
GREETINGS = {"smtp": b"220", "imap": b"* OK", "pop3": b"+OK"}


@dataclass
class Balancer:
    """HAProxy, and the ports at which clients find it."""

    folder: Path
    environment: dict[str, str]
    ports: dict[str, int]
    process: subprocess.Popen[bytes] | None = None

    def start(self, configuration: str) -> None:
        path = self.folder / "haproxy.cfg"
        path.write_text(configuration)
        command = ["haproxy", "-db", "-f", str(path)]
        checked = subprocess.run([*command, "-c"], env=self.environment, capture_output=True, text=True, check=False)
        assert checked.returncode == 0, checked.stderr
        assert "WARNING" not in checked.stderr
        with open(self.folder / "haproxy.log", "ab") as log:
            self.process = subprocess.Popen(command, env=self.environment, stdout=log, stderr=log)
        wait_until(
            lambda: all(self.greets(service) for service in SERVICES), seconds=20, what="HAProxy reaches the nodes"
        )

    def stop(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait(timeout=10)

    @property
    def log(self) -> str:
        return (self.folder / "haproxy.log").read_text()

    def greets(self, service: str) -> bool:
        try:
            with self.connect(service) as sock:
                return bool(sock.recv(100))
        except OSError:
            return False

    def connect(self, service: str, source: str = STRANGER) -> socket.socket:
        sock = socket.create_connection(("127.0.0.1", self.ports[service]), timeout=10, source_address=(source, 0))
        if service in ("submissions", "imaps", "pop3s"):
            return ssl._create_unverified_context().wrap_socket(sock)
        return sock


@pytest.fixture(scope="module")
def site(servers, tmp_path_factory):
    site = make_site(servers, tmp_path_factory.mktemp("home"))
    prepare_database(site.database_url)
    site.execute("UPDATE my_network SET cidr = %s", (f"{TRUSTED}/32",))
    site.execute("UPDATE server_settings SET haproxy_trusted_networks = '{127.0.0.1/32}'")
    site.execute(
        "INSERT INTO account (address, domain_id, password, display_name, quota_bytes, enabled, store, allow_imap,"
        " allow_pop3, allow_smtp, is_staff, is_superuser, created_at)"
        " VALUES (%s, %s, %s, '', 0, true, 'maildir', true, true, true, false, false, now())",
        (USER, DOMAIN, encoded_password()),
    )
    yield site
    servers.drop_database(site.database_url)


@pytest.fixture(scope="module")
def nodes(site):
    nodes = [MailNode(site, address) for address in NODES]
    for node in nodes:
        node.start()
    yield nodes
    for node in nodes:
        node.stop()


@pytest.fixture(scope="module", params=["send-proxy-v2", "send-proxy"])
def balancer(site, nodes, tmp_path_factory, request):
    ports = {service: choose_free_port() for service in (*SERVICES, "web")}
    environment = {
        **site.environment,
        **{f"BALANCER_{service.upper()}_PORT": str(port) for service, port in ports.items()},
        **{f"{program}{number}": NODES[number - 1] for program in ("SMTPD", "ACCESSD", "WEB") for number in (1, 2)},
        "BALANCER": "127.0.0.1",
        "WEB_PORT": str(choose_free_port()),
        "PATH": os.environ["PATH"] + ":/usr/sbin",
    }
    balancer = Balancer(tmp_path_factory.mktemp("balancer"), environment, ports)
    try:
        balancer.start(CONFIGURATION.read_text().replace("send-proxy-v2", request.param))
        yield balancer
    finally:
        balancer.stop()


def send(balancer, source, *, to=USER, subject="Hello", service="smtp"):
    with smtplib.SMTP("127.0.0.1", balancer.ports[service], timeout=10, source_address=(source, 0)) as client:
        client.sendmail("bob@elsewhere.example", [to], f"Subject: {subject}\r\n\r\nBody\r\n")


def answers(sock):
    try:
        sock.sendall(b"a1 NOOP\r\n")
        return b"a1 OK" in sock.recv(1000)
    except ConnectionError:
        return False


def mails(site):
    local, _, domain = USER.partition("@")
    folder = site.home / "mail" / domain / local / "Maildir"
    return [path.read_text() for part in ("new", "cur") for path in folder.glob(f"{part}/*")]


def received(site, subject):
    [found] = [mail for mail in mails(site) if f"Subject: {subject}\n" in mail]
    return " ".join(found.partition("Subject:")[0].split())


def test_the_nodes_see_the_client_in_every_decision(balancer, site):
    with pytest.raises(smtplib.SMTPRecipientsRefused) as refused:
        send(balancer, STRANGER, to="carol@far.example")
    assert refused.value.recipients["carol@far.example"][0] == 554

    send(balancer, TRUSTED, to="carol@far.example")

    [[client]] = site.execute("SELECT DISTINCT client FROM queue_message")
    assert f"[{TRUSTED}]" in str(client)
    site.execute("DELETE FROM queue_recipient")
    site.execute("DELETE FROM queue_message")


def test_received_trace_and_maillog_name_the_client(balancer, site, request):
    subject = f"Who am I {request.node.name}"
    send(balancer, STRANGER, subject=subject)

    assert f"(localhost [{STRANGER}])" in received(site, subject)
    seen = "SELECT client_address::text FROM trace_event WHERE kind = 'accepted' AND client_address = %s"
    wait_until(lambda: site.execute(seen, (STRANGER,)))
    wait_until(lambda: f"[{STRANGER}]" in site.maillog)


def test_both_nodes_get_connections(balancer, nodes):
    def clients_of(node):
        process = psutil.Process(node.processes["smtpd.service"].pid)
        found = [connection for connection in process.net_connections("tcp") if connection.status == "ESTABLISHED"]
        return [connection for connection in found if connection.laddr.ip == node.address]

    held = [balancer.connect("smtp") for _ in range(6)]
    for sock in held:
        sock.recv(200)

    assert all(len(clients_of(node)) >= 3 for node in nodes)
    for sock in held:
        sock.close()


@pytest.mark.parametrize("service", ["imaps", "pop3s", "submissions"])
def test_tls_goes_through_to_the_node(balancer, site, service):
    context = ssl.create_default_context(cafile=str(site.authority.ca_file))
    port = balancer.ports[service]
    if service == "imaps":
        client = imaplib.IMAP4_SSL("127.0.0.1", port, ssl_context=context, timeout=10)
        assert client.login(USER, PASSWORD)[0] == "OK"
        assert client.select()[0] == "OK"
        client.logout()
    elif service == "pop3s":
        pop = poplib.POP3_SSL("127.0.0.1", port, context=context, timeout=10)
        pop.user(USER)
        assert pop.pass_(PASSWORD).startswith(b"+OK")
        pop.quit()
    else:
        with smtplib.SMTP_SSL("127.0.0.1", port, context=context, timeout=10, source_address=(STRANGER, 0)) as smtp:
            assert smtp.login(USER, PASSWORD)[0] == 235


@pytest.mark.parametrize("service", ["imap", "pop3", "submission"])
def test_starttls_goes_through_to_the_node(balancer, site, service):
    context = ssl.create_default_context(cafile=str(site.authority.ca_file))
    port = balancer.ports[service]
    if service == "imap":
        client = imaplib.IMAP4("127.0.0.1", port, timeout=10)
        client.starttls(context)
        assert client.login(USER, PASSWORD)[0] == "OK"
        client.logout()
    elif service == "pop3":
        pop = poplib.POP3("127.0.0.1", port, timeout=10)
        pop.stls(context)
        pop.user(USER)
        assert pop.pass_(PASSWORD).startswith(b"+OK")
        pop.quit()
    else:
        with smtplib.SMTP("127.0.0.1", port, timeout=10, source_address=(STRANGER, 0)) as smtp:
            smtp.starttls(context=context)
            assert smtp.login(USER, PASSWORD)[0] == 235


def let_checks_pass(site) -> None:
    """More than two intervals of the checks, by the reports of the processes."""
    [[seen]] = site.execute("SELECT max(seen_at) FROM process_status")
    later = "SELECT max(seen_at) > %s + interval '5 s' FROM process_status"
    wait_until(lambda: site.execute(later, (seen,)) == [(True,)])


def test_health_checks_leave_no_trace(balancer, site):
    """Seven services of two nodes are checked every two seconds; nobody else is active meanwhile."""
    settled = f"[127.0.0.{next(_sources)}]"
    balancer.connect("smtp", settled.strip("[]")).close()
    wait_until(lambda: f"disconnect from localhost{settled}" in site.maillog)
    let_checks_pass(site)  # and whatever the tests before have still to log
    before, told = len(site.maillog), len(site.logged("d.service"))
    events = site.execute("SELECT count(*) FROM trace_event")

    let_checks_pass(site)

    assert site.maillog[before:] == ""
    assert site.execute("SELECT count(*) FROM trace_event") == events
    assert site.logged("d.service")[told:] == ""


def test_a_node_that_dies_is_left_out_and_comes_back(balancer, site, nodes):
    idle = [balancer.connect("imap") for _ in range(6)]
    for sock in idle:
        assert sock.recv(1000).startswith(b"* OK")

    nodes[0].kill()
    try:
        # Nobody who connects from now on is turned away: who reaches the dead node is sent on to the other.
        for number in range(4):
            send(balancer, STRANGER, subject=f"after the death {number} {id(balancer)}")
        for service in ("imap", "pop3", "smtp"):
            for _ in range(3):
                with balancer.connect(service) as sock:
                    assert sock.recv(100).startswith(GREETINGS[service])
        wait_until(lambda: "Server imap/node1 is DOWN" in balancer.log, seconds=20)
        # Who was there has been told; the sessions of the others go on.
        assert sorted({answers(sock) for sock in idle}) == [False, True]
    finally:
        nodes[0].start()
    wait_until(lambda: "Server imap/node1 is UP" in balancer.log.rpartition("is DOWN")[2], seconds=20)
    subjects = [mail for mail in mails(site) if f"{id(balancer)}\n" in mail]
    assert len(subjects) == 4
    for sock in idle:
        sock.close()
