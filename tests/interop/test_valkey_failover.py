"""Valkey with a replica and Sentinel behind HAProxy: when the primary dies, news travel on (docs/scaling.md)."""

import shutil
import smtplib
import socket
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import pytest
import redis

from mailadmin.appliance import embedded
from mailadmin.appliance.embedded import EmbeddedValkey
from tests.fakes.mail_node import MailNode, make_site
from tests.fixtures_servers import choose_free_port, wait_until
from tests.integration.imap_server import RawClient
from tests.integration.smtp_server import DOMAIN, PASSWORD, encoded_password, prepare_database

USER = f"alice@{DOMAIN}"
SECRET = "for-tests-only"
SENTINEL = """
port {port}
bind 127.0.0.1
dir "{folder}"
sentinel monitor mailkeep 127.0.0.1 {primary} 1
sentinel auth-pass mailkeep {secret}
sentinel down-after-milliseconds mailkeep 1000
sentinel failover-timeout mailkeep 5000
"""
# The recipe of docs/scaling.md: only the primary is up.
BALANCER = """
defaults
    mode tcp
    timeout connect 1s
    timeout check 2s
    timeout client 1h
    timeout server 1h

listen valkey
    bind 127.0.0.1:{port}
    option tcp-check
    tcp-check connect
    tcp-check send AUTH\\ {secret}\\r\\n
    tcp-check expect string +OK
    tcp-check send INFO\\ replication\\r\\n
    tcp-check expect string role:master
    default-server check inter 500ms fall 2 rise 1 on-marked-down shutdown-sessions
    server valkey1 127.0.0.1:{first}
    server valkey2 127.0.0.1:{second}
"""


@dataclass
class Cluster:
    """Two Valkeys, a Sentinel and HAProxy; clients know HAProxy's port."""

    folder: Path
    port: int
    ports: tuple[int, int]
    processes: dict[str, subprocess.Popen[bytes]]

    @property
    def url(self) -> str:
        return f"redis://:{SECRET}@127.0.0.1:{self.port}/0"

    def run(self, name: str, command: list[str]) -> None:
        with open(self.folder / f"{name}.log", "wb") as log:
            self.processes[name] = subprocess.Popen(command, stdout=log, stderr=log)

    def role(self, port: int) -> str:
        with redis.Redis(port=port, password=SECRET, socket_timeout=2) as client:
            return str(client.info("replication")["role"])

    def answers(self) -> bool:
        try:
            with redis.Redis.from_url(self.url, socket_timeout=2) as client:
                return bool(client.ping())
        except redis.RedisError:
            return False

    def kill(self, name: str) -> None:
        process = self.processes.pop(name)
        process.kill()
        process.wait(timeout=10)


@pytest.fixture
def cluster():
    folder = Path(tempfile.mkdtemp(prefix="mailkeep-valkey-"))
    first, second, sentinel, port = (choose_free_port() for _ in range(4))
    cluster = Cluster(folder, port, (first, second), {})
    try:
        for name, own, more in (("one", first, ""), ("two", second, f"replicaof 127.0.0.1 {first}\n")):
            server = EmbeddedValkey(folder / name, own, SECRET, durable=False)
            server.initialise()
            with open(folder / name / "valkey.conf", "a") as file:
                file.write(f"masterauth {SECRET}\n{more}")
            cluster.run(name, server.command())
            wait_until(server.answers, what=f"Valkey {name} answers")
        wait_until(lambda: (cluster.role(first), cluster.role(second)) == ("master", "slave"))
        text = SENTINEL.format(port=sentinel, folder=folder, primary=first, secret=SECRET)
        (folder / "sentinel.conf").write_text(text)
        cluster.run("sentinel", [str(embedded._valkey_program()), str(folder / "sentinel.conf"), "--sentinel"])
        (folder / "haproxy.cfg").write_text(BALANCER.format(port=port, secret=SECRET, first=first, second=second))
        cluster.run("haproxy", ["/usr/sbin/haproxy", "-db", "-f", str(folder / "haproxy.cfg")])
        wait_until(cluster.answers, what="HAProxy reaches the primary")
        wait_until(lambda: knows_replica(sentinel), seconds=30, what="Sentinel has found the replica")
        yield cluster
    finally:
        for name in list(cluster.processes):
            cluster.kill(name)
        shutil.rmtree(folder, ignore_errors=True)


def knows_replica(port):
    with redis.Redis(port=port, socket_timeout=2, decode_responses=True) as client:
        return len(client.sentinel_slaves("mailkeep")) == 1


def test_idle_notifies_again_when_the_replica_has_taken_over(servers, cluster, tmp_path):
    site = make_site(servers, tmp_path / "home")
    site.environment["REDIS_URL"] = cluster.url
    prepare_database(site.database_url)
    site.execute("UPDATE server_settings SET plaintext_auth = 'mynetworks'")
    site.execute(
        "INSERT INTO account (address, domain_id, password, display_name, quota_bytes, enabled, store, allow_imap,"
        " allow_pop3, allow_smtp, is_staff, is_superuser, created_at)"
        " VALUES (%s, %s, %s, '', 0, true, 'maildir', true, true, true, false, false, now())",
        (USER, DOMAIN, encoded_password()),
    )
    node = MailNode(site)
    node.start()
    try:
        idler = RawClient(socket.create_connection(("127.0.0.1", site.ports["imap"]), timeout=20))
        idler.read_line()
        idler.ok(f'LOGIN {USER} "{PASSWORD}"'.encode())
        idler.ok(b"SELECT INBOX")
        idler.send(b"i1 IDLE\r\n")
        idler.read_line()

        def delay_s():
            with smtplib.SMTP("127.0.0.1", site.ports["smtp"], timeout=20) as client:
                client.sendmail("bob@elsewhere.example", [USER], "Subject: news\r\n\r\nBody\r\n")
            began = time.monotonic()
            while b"EXISTS" not in idler.read_line():
                pass
            return time.monotonic() - began

        # A program that has just started may not hear of news yet.
        wait_until(lambda: max(delay_s() for _ in range(4)) < 0.5, seconds=40, what="news travel by Valkey")

        cluster.kill("one")
        # Meanwhile too: by looking, every few seconds.
        assert delay_s() < 15
        wait_until(lambda: cluster.role(cluster.ports[1]) == "master", seconds=30, what="Sentinel has promoted it")
        wait_until(cluster.answers, seconds=20, what="HAProxy has changed over")
        wait_until(lambda: max(delay_s() for _ in range(4)) < 0.5, seconds=40, what="news travel by Valkey again")
        idler.close()
    finally:
        node.stop()
    servers.drop_database(site.database_url)
