"""When and from where app passwords were last used."""

from __future__ import annotations

from datetime import datetime

from mailcore.db.pool import Connection
from mailcore.directory import statements
from mailcore.directory.written_later import WrittenLater


class AppPasswordUses(WrittenLater[int]):
    """By the id of the app password."""

    def note(self, app_password_id: int, client_ip: str) -> None:
        """It was used now, from there."""
        self._put(app_password_id, client_ip)

    @staticmethod
    def _write(conn: Connection, noted: dict[int, tuple[datetime, str]]) -> None:
        ats = [at for at, _ in noted.values()]
        addresses = [address for _, address in noted.values()]
        conn.execute(statements.NOTE_USES, {"ids": list(noted), "ats": ats, "addresses": addresses})
