"""Which mechanisms there are, and which are offered on a connection (RFC 4422 section 3.2)."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from mailcore.sasl.conversation import Conversation
from mailcore.sasl.oauth import oauthbearer, xoauth2
from mailcore.sasl.plain import login, plain
from mailcore.sasl.scram_server import scram

_SIMPLE: dict[str, Callable[[bytes | None], Conversation]] = {
    "PLAIN": plain,
    "LOGIN": login,
    "OAUTHBEARER": oauthbearer,
    "XOAUTH2": xoauth2,
}
MECHANISMS = frozenset({*_SIMPLE, "SCRAM-SHA-256", "SCRAM-SHA-256-PLUS"})


def offered(*, secure: bool, end_point: bytes | None = None, oauth: bool = False) -> tuple[str, ...]:
    """`secure`: a password may be sent; `oauth`: somebody issues tokens for us. PLAIN comes first for clients that take
    the first they know: it works for accounts from before SCRAM, too.
    """
    if not secure:
        return ()
    scrams = ("SCRAM-SHA-256", "SCRAM-SHA-256-PLUS") if end_point is not None else ("SCRAM-SHA-256",)
    return ("PLAIN", "LOGIN", *scrams, *(("OAUTHBEARER", "XOAUTH2") if oauth else ()))


def conversation(name: str, initial: bytes | None, end_point: bytes | None) -> Conversation:
    """A conversation of an offered mechanism, named in capitals; `initial` is the response that came with it."""
    if name in _SIMPLE:
        return _SIMPLE[name](initial)
    make: Callable[..., Conversation] = partial(scram, end_point=end_point)
    return make(initial, plus=name == "SCRAM-SHA-256-PLUS")
