"""What somebody looks for in the trace, read from what they typed.

One criterion names a field of an event; several must all be true of the same message, though perhaps of different
events of it (the sender stands in "accepted", the mailbox after an alias in "delivered").
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from mailcore.address import Address, AddressSyntaxError

OUTCOMES = ("refused", "accepted", "delivered", "relayed", "deferred", "bounced", "auth_failed")
_QUEUE_ID = re.compile(r"[0-9A-Za-z]{10,32}")


@dataclass(frozen=True, slots=True)
class Criteria:
    """Empty fields do not matter. `sender` and `recipient` may be "@domain"; `client` an address or a network."""

    sender: str = ""
    recipient: str = ""
    client: str = ""
    queue_id: str = ""
    message_id: str = ""
    outcome: str = ""
    anything: str = ""
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Condition:
    """SQL over the event alias `{e}`, with its parameters."""

    sql: str
    parameters: dict[str, Any]

    def on(self, alias: str) -> str:
        return self.sql.format(e=alias)


def read_anything(typed: str) -> Criteria:
    """The quick search: guess by its shape what one word is."""
    word = typed.strip()
    if _is_network(word):
        return Criteria(client=word)
    if _QUEUE_ID.fullmatch(word):
        return Criteria(queue_id=word)
    if word.startswith("<") or "@" not in word:
        return Criteria(message_id=word) if word else Criteria()
    return Criteria(anything=word)


def conditions(criteria: Criteria) -> list[Condition]:
    """The conditions, the most selective first: the first one is answered by its index."""
    makers: tuple[tuple[str, Callable[[str], Condition]], ...] = (
        (
            "queue_id",
            lambda word: Condition("{e}.queue_id = %(queue_id)s AND {e}.queue_id <> ''", {"queue_id": word.strip()}),
        ),
        (
            "message_id",
            lambda word: Condition(
                "{e}.message_id <> '' AND {e}.message_id = ANY(%(message_ids)s)", {"message_ids": _ids(word)}
            ),
        ),
        ("anything", _anything),
        ("recipient", lambda word: _address("recipient", word)),
        ("sender", lambda word: _address("sender", word)),
        ("client", _client),
        ("outcome", lambda word: Condition("{e}.kind = %(kind)s", {"kind": word})),
    )
    return [make(getattr(criteria, name)) for name, make in makers if getattr(criteria, name)]


def checked(criteria: Criteria) -> Criteria:
    """The same, or ValueError naming the field that cannot be searched for."""
    if criteria.client and not _is_network(criteria.client):
        raise ValueError("client")
    if criteria.outcome and criteria.outcome not in OUTCOMES:
        raise ValueError("outcome")
    return replace(criteria, client=criteria.client.strip())


def _anything(word: str) -> Condition:
    recipient, sender = _address("recipient", word), _address("sender", word)
    return Condition(
        f"({recipient.sql} OR {sender.sql} OR {{e}}.message_id <> '' AND {{e}}.message_id = ANY(%(any_id)s))",
        {**recipient.parameters, **sender.parameters, "any_id": _ids(word)},
    )


def _address(field: str, word: str) -> Condition:
    """An address or "@domain". Compared from the end, as the index holds them: of both it is the beginning."""
    text = word.strip().removeprefix("<").removesuffix(">")
    backwards = f"reverse(lower({{e}}.{field}))"
    if text.startswith("@"):
        pattern = re.sub(r"([%_\\])", r"\\\1", text.lower()[::-1]) + "%"
        return Condition(f"{backwards} LIKE %({field}_like)s", {f"{field}_like": pattern})
    spelled = sorted({spelling.lower()[::-1] for spelling in _spellings(text)})
    return Condition(f"{backwards} = ANY(%({field}s)s)", {f"{field}s": spelled})


def _client(word: str) -> Condition:
    if "/" in word:
        return Condition("{e}.client_address <<= %(client)s::inet", {"client": word})
    return Condition("{e}.client_address = %(client)s::inet", {"client": word})


def _spellings(word: str) -> list[str]:
    """As typed, in lower case, and as looked up: the trace keeps what the client wrote."""
    text = word.strip().removeprefix("<").removesuffix(">")
    spelled = {text, text.lower()}
    with suppress(AddressSyntaxError):
        spelled.add(Address.parse(text).key)
    return sorted(spelled)


def _ids(word: str) -> list[str]:
    bare = word.strip().removeprefix("<").removesuffix(">")
    return [bare, f"<{bare}>"]


def _is_network(word: str) -> bool:
    try:
        ipaddress.ip_network(word.strip(), strict=False)
    except ValueError:
        return False
    # "25" is an address of IPv4 to Python, but a number to everybody else.
    return "." in word or ":" in word
