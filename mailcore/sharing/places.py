"""From the name a reader uses to the mailbox it means: whose it is, what the owner calls it, what the reader may do.

A reader's own mailboxes cost no query.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import psycopg

from mailcore.errors import NotPermitted
from mailcore.identity import AccountRef
from mailcore.sharing import rights

Connection = psycopg.Connection[Any]


@dataclass(frozen=True, slots=True)
class Place:
    """Where a name leads. `name` is the owner's name for it; nothing says that the mailbox exists."""

    owner: AccountRef
    name: str
    rights: str = rights.ALL

    def require(self, *needed: str) -> Place:
        """This place, if the reader has all these rights. Raises NotPermitted."""
        for right in needed:
            if right not in self.rights:
                raise NotPermitted(f"{self.owner.address}/{self.name} needs {right}")
        return self


def resolve(conn: Connection, reader: AccountRef, name: str) -> Place:
    """The place of a name of the reader's."""
    return Place(reader, name)
