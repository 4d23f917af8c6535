"""The two servers: a private Dovecot, and accessd on a fresh database. Both serve Maildir folders laid beforehand."""

from __future__ import annotations

import getpass
import os
import re
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from mailadmin.appliance.privilege import child_setup
from tests.fixtures_servers import Servers, choose_free_port, wait_until
from tests.integration import imap_server
from tests.integration.imap_server import listens
from tests.side_by_side.mailboxes import StoredMessage, lay

DOVECOT = shutil.which("dovecot", path=f"{os.environ.get('PATH', '')}:/usr/sbin") or "dovecot"
PASSWORD = imap_server.PASSWORD
# Owner of Dovecot's mail files; needs no entry in passwd.
MAIL_ID = 5000

# As tests/bench/peer.py: Maildir, plain passwords. Beyond it: our mailboxes and separator, and the plugins;
# and no pause after a wrong password, which dialogues are full of.
CONFIGURATION = """\
protocols = imap pop3
listen = 127.0.0.1
base_dir = {dir}/run
state_dir = {dir}/state
log_path = {dir}/dovecot.log
ssl = no
disable_plaintext_auth = no
auth_failure_delay = 0
mail_location = maildir:~/Maildir
mail_max_userip_connections = 0
mail_plugins = acl quota
imap_metadata = yes
mail_attribute_dict = file:%h/attributes
{users}
passdb {{
  driver = passwd-file
  args = scheme=PLAIN username_format=%u {dir}/users
}}
userdb {{
  driver = static
  args = uid={mail_id} gid={mail_id} home={dir}/mail/%n
}}
namespace inbox {{
  inbox = yes
  separator = /
  {mailboxes}
}}
protocol imap {{
  mail_plugins = acl quota imap_acl imap_quota
}}
plugin {{
  acl = vfile
  acl_anyone = allow
  quota = count:User quota
  quota_vsizes = yes
}}
service imap-login {{
  inet_listener imap {{
    port = {port}
  }}
  inet_listener imaps {{
    port = 0
  }}
  chroot =
}}
service pop3-login {{
  inet_listener pop3 {{
    port = {pop3_port}
  }}
  inet_listener pop3s {{
    port = 0
  }}
  chroot =
}}
service anvil {{
  chroot =
  unix_listener anvil-auth-penalty {{
    mode = 0
  }}
}}
service stats {{
  unix_listener stats-writer {{
    mode = 0666
  }}
}}
"""
SPECIAL = ("Drafts", "Sent", "Junk", "Trash", "Archive")


# More than a run has dialogues.
ACCOUNTS = 1000


class Server(Protocol):
    """What the player needs of a server."""

    name: str
    port: int
    pop3_port: int

    def account(self, mailboxes: dict[str, list[StoredMessage]]) -> str:
        """A new account with these mailboxes, beside those every account has. Returns its name for LOGIN."""


class Dovecot:
    """Debian's Dovecot in a folder of its own, on a port of its own."""

    name = "dovecot"

    def __init__(self, folder: Path) -> None:
        self.port, self.pop3_port = choose_free_port(), choose_free_port()
        self._folder, self._numbers = folder, 0
        for part in ("run", "state", "mail"):
            (folder / part).mkdir()
        self._own(folder / "mail")
        (folder / "dovecot.conf").write_text(self._configuration())
        (folder / "users").write_text("".join(f"{_address(n)}:{PASSWORD}::::::\n" for n in range(1, ACCOUNTS + 1)))
        with open(folder / "output", "wb") as output:
            self._process = subprocess.Popen(
                [DOVECOT, "-F", "-c", str(folder / "dovecot.conf")], stdin=subprocess.DEVNULL, stdout=output,
                stderr=output, start_new_session=True, preexec_fn=child_setup(signal.SIGTERM),
            )  # fmt: skip
        ports = (self.port, self.pop3_port)
        wait_until(lambda: all(map(listens, ports)), seconds=20, what=f"Dovecot listens; see {folder}")

    def account(self, mailboxes: dict[str, list[StoredMessage]]) -> str:
        self._numbers += 1
        home = self._folder / "mail" / f"side{self._numbers}"
        home.mkdir()
        self._own(home)
        for name, messages in mailboxes.items():
            lay(maildir_folder(home / "Maildir", name), messages, self._own)
        (home / "Maildir").mkdir(exist_ok=True)
        subscribed = home / "Maildir" / "subscriptions"
        # Kept with the separator of Maildir++, whatever clients are shown.
        subscribed.write_text("".join(f"{name.replace('/', '.')}\n" for name in mailboxes))
        self._own(home / "Maildir")
        self._own(subscribed)
        return _address(self._numbers)

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait(timeout=20)

    def _own(self, path: Path) -> None:
        if not os.geteuid():
            os.chown(path, MAIL_ID, MAIL_ID)

    def _configuration(self) -> str:
        own = getpass.getuser()
        user = f"default_internal_user = {own}\ndefault_login_user = {own}" if os.geteuid() else ""
        mailboxes = "\n  ".join(
            f"mailbox {name} {{\n    special_use = \\{name}\n    auto = subscribe\n  }}" for name in SPECIAL
        )
        return CONFIGURATION.format(
            dir=self._folder, users=user, port=self.port, pop3_port=self.pop3_port, mailboxes=mailboxes,
            mail_id=os.geteuid() or MAIL_ID,
        )  # fmt: skip


class Accessd:
    """Ours, started as the integration tests start it."""

    name = "mailkeep"

    def __init__(self, server: imap_server.ImapServer) -> None:
        self.port, self.pop3_port, self._server = server.port, server.pop3_port, server

    def account(self, mailboxes: dict[str, list[StoredMessage]]) -> str:
        address = self._server.account("maildir")
        for name, messages in mailboxes.items():
            lay(maildir_folder(self._server.maildir(address), name), messages)
        return address


def _address(number: int) -> str:
    return f"side{number}@{imap_server.DOMAIN}"


def maildir_folder(maildir: Path, mailbox: str) -> Path:
    """Maildir++: INBOX is the folder itself, "A/B" is .A.B."""
    if not re.fullmatch(r"[A-Za-z0-9/ -]+", mailbox):
        raise ValueError(f"{mailbox!r}: other characters would have to be encoded")
    return maildir if mailbox == "INBOX" else maildir / ("." + mailbox.replace("/", "."))


@contextmanager
def both(cache: Path) -> Iterator[tuple[Dovecot, Accessd]]:
    """Both servers, with PostgreSQL and Valkey of their own (tests.fixtures_servers keeps its clusters in `cache`)."""
    servers = Servers(cache)
    try:
        with both_on(servers) as pair:
            yield pair
    finally:
        servers.stop()


@contextmanager
def both_on(servers: Servers) -> Iterator[tuple[Dovecot, Accessd]]:
    """Both servers, on the PostgreSQL and Valkey of a test session."""
    # A short path: Dovecot's sockets are below it.
    folder = Path(tempfile.mkdtemp(prefix="side-", dir="/tmp"))
    folder.chmod(0o755)
    for part in ("dovecot", "accessd"):
        (folder / part).mkdir()
    try:
        with _dovecot(folder / "dovecot") as dovecot, _accessd(servers, folder / "accessd") as accessd:
            yield dovecot, accessd
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _dovecot(folder: Path) -> Iterator[Dovecot]:
    dovecot = Dovecot(folder)
    try:
        yield dovecot
    finally:
        dovecot.stop()


@contextmanager
def _accessd(servers: Servers, home: Path) -> Iterator[Accessd]:
    for server in imap_server.serve(servers, home):
        yield Accessd(server)
