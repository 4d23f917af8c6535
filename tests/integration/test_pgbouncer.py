"""A node whose connections all go through PgBouncer, in session mode: what needs a session of its own still has one.

In transaction mode LISTEN, the scheduler's lock and prepared statements have none (docs/scaling.md).
"""

import imaplib
import os
import shutil
import smtplib
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from mailadmin.mailqueue.scheduler import Scheduler, Wakeups
from tests.fakes.mail_node import MailNode, make_site
from tests.fixtures_servers import choose_free_port, wait_until
from tests.integration.smtp_server import DOMAIN, PASSWORD, encoded_password, prepare_database

USER = f"alice@{DOMAIN}"
CONFIGURATION = """
[databases]
* = host={host} port={server_port} user={user} password={password}

[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
auth_type = any
pool_mode = session
max_client_conn = 200
default_pool_size = 60
unix_socket_dir =
"""


@pytest.fixture(scope="module")
def pooled(servers, tmp_path_factory):
    """A node that knows the database by PgBouncer's port only."""
    site = make_site(servers, tmp_path_factory.mktemp("home"))
    prepare_database(site.database_url)
    site.execute("UPDATE server_settings SET plaintext_auth = 'mynetworks'")
    site.execute(
        "INSERT INTO account (address, domain_id, password, display_name, quota_bytes, enabled, store, allow_imap,"
        " allow_pop3, allow_smtp, is_staff, is_superuser, created_at)"
        " VALUES (%s, %s, %s, '', 0, true, 'maildir', true, true, true, false, false, now())",
        (USER, DOMAIN, encoded_password()),
    )
    parts, port = urlsplit(site.database_url), choose_free_port()
    process, folder = start_pooler(parts, port)
    site.environment["DATABASE_URL"] = site.database_url.replace(f":{parts.port}/", f":{port}/")
    node = MailNode(site)
    try:
        node.start()
        yield site
    finally:
        node.stop()
        process.kill()
        process.wait(timeout=10)
        shutil.rmtree(folder)
    servers.drop_database(site.database_url)


def start_pooler(server, port):
    """PgBouncer does not run as root."""
    folder = Path(tempfile.mkdtemp(prefix="mailkeep-pgbouncer-"))
    folder.chmod(0o755)
    text = CONFIGURATION.format(
        host=server.hostname,
        server_port=server.port,
        user=server.username,
        password=server.password,
        port=port,
    )
    (folder / "pgbouncer.ini").write_text(text)
    command = ["/usr/sbin/pgbouncer", *(["-u", "nobody"] if os.geteuid() == 0 else []), str(folder / "pgbouncer.ini")]
    with open(folder / "log", "wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    wait_until(lambda: accepts(port) or process.poll() is not None, what="PgBouncer listens")
    assert process.poll() is None, (folder / "log").read_text()
    return process, folder


def accepts(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


class NobodyWorks:
    """Takes what the scheduler hands over."""

    def deliver(self, lease):
        raise AssertionError(lease)

    def sweep(self):
        pass

    def index(self):
        pass

    def recover(self):
        pass


def deliver(site, count=1):
    with smtplib.SMTP("127.0.0.1", site.ports["smtp"], timeout=20) as client:
        for number in range(count):
            client.sendmail("bob@elsewhere.example", [USER], f"Subject: {number}\r\n\r\nBody\r\n")


def test_mail_is_delivered_and_read(pooled):
    """More often than a statement is sent before psycopg prepares it."""
    deliver(pooled, 20)

    client = imaplib.IMAP4("127.0.0.1", pooled.ports["imap"], timeout=20)
    client.login(USER, PASSWORD)
    for _ in range(20):
        status, [count] = client.select()
        assert (status, int(count) >= 20) == ("OK", True)
        assert client.store("1:5", "+FLAGS", "\\Seen")[0] == "OK"
        assert client.fetch("1:*", "(UID FLAGS ENVELOPE)")[0] == "OK"
        assert client.search(None, "SUBJECT", "1")[0] == "OK"
    client.logout()


def test_a_change_of_the_configuration_is_heard(pooled):
    def size():
        with smtplib.SMTP("127.0.0.1", pooled.ports["smtp"], timeout=20) as client:
            client.ehlo()
            return client.esmtp_features["size"]

    began = time.monotonic()
    pooled.execute("UPDATE server_settings SET message_size_limit = 777777")
    wait_until(lambda: size() == "777777", seconds=10)

    assert time.monotonic() - began < 2


def test_only_one_of_two_schedulers_is_in_charge(pooled):
    def make():
        url = pooled.environment["DATABASE_URL"]
        return Scheduler(url, Wakeups(pooled.redis_url), NobodyWorks(), workers=1)

    first, second = make(), make()
    try:
        for _ in range(5):
            first.tick()
            second.tick()
        assert (first._in_charge is not None, second._in_charge) == (True, None)

        first._close()
        wait_until(lambda: second.tick() == 0 and second._in_charge is not None, seconds=5)
    finally:
        second._close()
