"""A real Postfix on loopback with its own folders: takes mail over STARTTLS after AUTH, and passes it to a sink.

Nothing of a system Postfix is touched. Postfix asks a tiny server here, in the protocol of Dovecot's auth service,
whether a password is right. Has to be started by root, as Postfix's master has.
"""

from __future__ import annotations

import base64
import contextlib
import os
import pwd
import shutil
import socket
import socketserver
import subprocess
import tempfile
import threading
from pathlib import Path
from typing import Self

from tests.fixtures_servers import wait_until

MAIN_CF = """\
compatibility_level = 3.6
config_directory = {home}/etc
queue_directory = {home}/queue
data_directory = {home}/data
maillog_file = {home}/log/mail.log
maillog_file_prefixes = {home}/log
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
myhostname = relay.partner.test
mydestination =
mynetworks =
alias_maps =
alias_database =
local_recipient_maps =
biff = no
smtpd_tls_security_level = may
smtpd_tls_auth_only = yes
smtpd_tls_cert_file = {cert}
smtpd_tls_key_file = {key}
smtpd_sasl_auth_enable = yes
smtpd_sasl_type = dovecot
smtpd_sasl_path = inet:127.0.0.1:{auth_port}
smtpd_relay_restrictions = permit_sasl_authenticated, reject_unauth_destination
smtpd_recipient_restrictions =
    check_recipient_access inline:{{ {{ gone@outside.test = 550 5.1.1 nobody of that name lives here }} }}
transport_maps = inline:{{ {{ outside.test = smtp:[127.0.0.1]:{sink_port} }} }}
smtp_tls_security_level = none
smtp_destination_concurrency_limit = 5
"""

MASTER_CF = """\
127.0.0.1:{port} inet n - n - - smtpd
pickup    unix  n - n 60    1 pickup
cleanup   unix  n - n -     0 cleanup
qmgr      unix  n - n 300   1 qmgr
tlsmgr    unix  - - n 1000? 1 tlsmgr
rewrite   unix  - - n -     - trivial-rewrite
bounce    unix  - - n -     0 bounce
defer     unix  - - n -     0 bounce
trace     unix  - - n -     0 bounce
verify    unix  - - n -     1 verify
flush     unix  n - n 1000? 0 flush
proxymap  unix  - - n -     - proxymap
smtp      unix  - - n -     - smtp
relay     unix  - - n -     - smtp
error     unix  - - n -     - error
retry     unix  - - n -     - error
discard   unix  - - n -     - discard
anvil     unix  - - n -     1 anvil
scache    unix  - - n -     1 scache
postlog   unix-dgram n - n - 1 postlogd
"""


class AuthServer(socketserver.ThreadingTCPServer):
    """Checks PLAIN for Postfix, in the client protocol of Dovecot's auth service."""

    daemon_threads = True

    def __init__(self, users: dict[str, str]) -> None:
        super().__init__(("127.0.0.1", 0), _AuthSession)
        self.users = users
        self.logins: list[str] = []
        threading.Thread(target=self.serve_forever, daemon=True).start()


class _AuthSession(socketserver.StreamRequestHandler):
    server: AuthServer

    def handle(self) -> None:
        hello = "VERSION\t1\t1\nMECH\tPLAIN\tplaintext\nSPID\t1\nCUID\t1\nCOOKIE\t0123456789abcdef\nDONE\n"
        self.wfile.write(hello.encode())
        for line in self.rfile:
            words = line.decode().rstrip("\n").split("\t")
            if words[0] == "AUTH":
                self.answer(words[1], next(word[5:] for word in words if word.startswith("resp=")))

    def answer(self, number: str, response: str) -> None:
        _, user, password = base64.b64decode(response).decode().split("\0")
        if self.server.users.get(user) == password:
            self.server.logins.append(user)
            self.wfile.write(f"OK\t{number}\tuser={user}\n".encode())
        else:
            self.wfile.write(f"FAIL\t{number}\tuser={user}\n".encode())


class PrivatePostfix:
    """`start` and `stop` any number of times; the queue and the log stay until the context ends."""

    def __init__(self, port: int, sink_port: int, cert: Path, key: Path, users: dict[str, str]) -> None:
        self.port = port
        self._auth = AuthServer(users)
        # Unix sockets have short names.
        self._home = Path(tempfile.mkdtemp(prefix="mk-pf-", dir="/tmp"))
        self._values = {
            "home": self._home,
            "port": port,
            "sink_port": sink_port,
            "auth_port": self._auth.server_address[1],
            "cert": cert,
            "key": key,
        }

    @property
    def logins(self) -> list[str]:
        return self._auth.logins

    @property
    def log(self) -> str:
        path = self._home / "log" / "mail.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def __enter__(self) -> Self:
        if os.geteuid() != 0 or shutil.which("postfix") is None:
            raise RuntimeError("this test needs Debian's postfix and root")
        self._home.chmod(0o755)
        for name in ("etc", "queue", "data", "log"):
            (self._home / name).mkdir()
        postfix = pwd.getpwnam("postfix")
        os.chown(self._home / "data", postfix.pw_uid, postfix.pw_gid)
        (self._home / "etc" / "main.cf").write_text(MAIN_CF.format(**self._values))
        (self._home / "etc" / "master.cf").write_text(MASTER_CF.format(**self._values))
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        self._auth.shutdown()
        self._auth.server_close()
        shutil.rmtree(self._home, ignore_errors=True)

    def start(self) -> None:
        self._postfix("start")
        wait_until(self.listens, seconds=20, what=f"Postfix listens:\n{self.log}")

    def stop(self) -> None:
        with contextlib.suppress(subprocess.CalledProcessError):
            self._postfix("stop")
        wait_until(lambda: not self.listens(), seconds=20, what="Postfix is gone")

    def listens(self) -> bool:
        with socket.socket() as probe:
            probe.settimeout(1)
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def _postfix(self, command: str) -> None:
        # To a file: the daemons keep their standard error open, and a pipe would not end before them.
        with open(self._home / "postfix.output", "ab") as output:
            subprocess.run(
                ["postfix", "-c", str(self._home / "etc"), command],
                stdout=output,
                stderr=output,
                check=True,
                start_new_session=True,
                timeout=60,
            )
