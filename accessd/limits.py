"""Who may connect and log in: limits of connections for the process, for each client address, for each account.

Addresses and accounts are counted over all processes of the node (accessd.tally), so a limit holds whichever process
the kernel gives a connection to. Networks of ours and trusted balancers may have as many as they like, as in SMTP
(mailcore.policy.connect). Each refusal is said in the client's protocol, on TLS ports inside TLS: so a few more than
allowed may shake hands, and those beyond are closed without a word.
"""

from __future__ import annotations

from collections.abc import Callable

from accessd.connection import Connection
from accessd.tally import Tally
from mailcore.config.snapshot import Snapshot
from mailcore.directory.lookups import AccountRecord
from mailcore.errors import TooManyConnections
from mailcore.log import get_logger
from mailcore.tls_server import MOST_TO_BE_TOLD

TOO_MANY = "Too many connections"
TOO_MANY_FROM_ADDRESS = "Too many connections from your address"

MOST_GONE = 50_000
"""While the database is away sessions end that it still lists: beyond this many they are not kept by number."""

log = get_logger(__name__)


class ConnectionLimits:
    """The connections of this process, and whether there may be one more."""

    def __init__(self, tally: Tally, config: Callable[[], Snapshot], *, most: int) -> None:
        self._tally = tally
        self._config = config
        self._most = most
        # Clients of TLS ports that have not arrived yet.
        self.handshakes = 0
        self.connections: set[Connection] = set()
        # Their sessions are over; we have closed and their clients have not yet (accessd.connection).
        self.ending: set[Connection] = set()
        # Numbers of sessions that the registry has told of and that are no more (accessd.sessions).
        self.gone: list[int] = []

    def admit(self, address: str) -> bool:
        """A client of a TLS port may begin its handshake, which is counted until `release`."""
        self.handshakes += 1
        count = self._tally.add(f"handshake {address}") + self._tally.count(f"address {address}")
        if self._may_shake_hands(address, count):
            return True
        self.release(address)
        return False

    def _may_shake_hands(self, address: str, count: int) -> bool:
        if self._open + self.handshakes > self._most + MOST_TO_BE_TOLD:
            log.error("too_many_connections", client=address, limit=self._most)
            return False
        limit = self._config().address_connection_limit
        if limit and count > limit + MOST_TO_BE_TOLD and not self._is_trusted(address):
            log.warning("too_many_handshakes_of_address", client=address, limit=limit)
            return False
        return True

    def release(self, address: str) -> None:
        """The handshake is over, either way."""
        self.handshakes -= 1
        self._tally.remove(f"handshake {address}")

    def arrived(self, connection: Connection) -> str:
        """A client is there (after the handshake of a TLS port). Returns why it must go, "" when it may stay."""
        self.connections.add(connection)
        count = self._tally.add(f"address {connection.peer}")
        if self._open > self._most:
            log.error("too_many_connections", client=connection.peer, limit=self._most)
            return TOO_MANY
        limit = self._config().address_connection_limit
        if limit and count > limit and not self._is_trusted(connection.peer):
            log.warning("too_many_connections_of_address", client=connection.peer, limit=limit)
            return TOO_MANY_FROM_ADDRESS
        return ""

    @property
    def _open(self) -> int:
        """Each of them has a file descriptor."""
        return len(self.connections) + len(self.ending)

    def ended(self, connection: Connection) -> None:
        """The session is over: it counts for its address and account no more. Nothing if the connection is gone."""
        if connection in self.connections:
            self._take_off(connection)
            self.ending.add(connection)

    def left(self, connection: Connection) -> None:
        """The connection is gone."""
        if connection in self.connections:
            self._take_off(connection)
        self.ending.discard(connection)

    def _take_off(self, connection: Connection) -> None:
        self.connections.discard(connection)
        self._tally.remove(f"address {connection.peer}")
        self.log_out(connection)

    def log_in(self, connection: Connection, account: AccountRecord) -> None:
        """The client has shown to be this account. Raises TooManyConnections, and then it is nobody."""
        account_id = account.ref.id
        if connection not in self.connections:
            raise ConnectionResetError("the client is gone")
        count = self._tally.add(f"account {account_id}")
        limit = self._config().account_connection_limit
        if limit and count > limit:
            self._tally.remove(f"account {account_id}")
            raise TooManyConnections(f"account {account_id} from {connection.peer}: more than {limit} connections")
        connection.account_id = account_id
        connection.app_password_id = account.app_password_id or 0

    def log_out(self, connection: Connection) -> None:
        """It is no account any more. Safe to repeat."""
        if connection.account_id:
            self._tally.remove(f"account {connection.account_id}")
            connection.account_id = connection.app_password_id = 0
        if connection.told:
            connection.told = 0
            if len(self.gone) <= MOST_GONE:
                self.gone.append(connection.number)

    def look_for_others(self) -> None:
        """Notice other processes of this node; on any thread."""
        self._tally.look_for_others()

    def close(self) -> None:
        """At the end of the process."""
        self._tally.close()

    def _is_trusted(self, address: str) -> bool:
        config = self._config()
        return address in config.mynetworks or address in config.haproxy_trusted_networks
