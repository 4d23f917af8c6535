"""Leads a SASL conversation for any protocol: asks the client through it, and the authenticator about claims."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

from mailcore.directory.lookups import AccountRecord
from mailcore.errors import MailError
from mailcore.sasl.conversation import (
    Challenge,
    FindKeys,
    KeySet,
    PasswordClaim,
    ProofClaim,
    Step,
    TokenClaim,
)
from mailcore.sasl.mechanisms import conversation
from mailcore.sasl.scram import Keys

Exchange = Callable[[bytes], Awaitable[bytes]]
"""Sends a challenge and returns the client's response, both without base64. Raises SaslCancelled, SaslSyntaxError."""


class Door(Protocol):
    """mailcore.directory.authenticate.Authenticator."""

    async def check(self, login: str, password: str, *, protocol: str, client_ip: str) -> AccountRecord: ...

    async def keys(self, login: str) -> KeySet: ...

    async def check_proof(self, login: str, keys: Keys | None, *, protocol: str, client_ip: str) -> AccountRecord: ...

    async def check_token(self, login: str, token: str, *, protocol: str, client_ip: str) -> AccountRecord: ...

    async def objection(self, account: AccountRecord, *, protocol: str, client_ip: str) -> str: ...


@dataclass(slots=True)
class Attempt:
    """One try to log in. `end_point` is the hash of the connection's certificate where -PLUS is offered; `login` is
    what the client called itself, once it has.
    """

    mechanism: str
    protocol: str
    client_ip: str
    exchange: Exchange
    end_point: bytes | None = field(default=None, repr=False)
    login: str = ""


async def log_in(door: Door, attempt: Attempt, initial: bytes | None) -> AccountRecord:
    """The account that the client has proved to be.

    Raises SaslSyntaxError, SaslCancelled, AuthenticationFailed, AuthenticationThrottled, DirectoryUnavailable.
    """
    talk = conversation(attempt.mechanism, initial, attempt.end_point)
    account: AccountRecord | None = None
    step: Step | None = next(talk)
    while step is not None:
        try:
            answer = await _answer(door, attempt, step)
        except MailError as error:
            step = _go_on(talk.throw, error)
            continue
        if isinstance(answer, AccountRecord):
            account = answer
        step = _go_on(talk.send, answer)
    assert account is not None
    return account


def _go_on(resume: Callable[[Any], Step], value: object) -> Step | None:
    """The next step; None when the conversation has come to its good end."""
    try:
        return resume(value)
    except StopIteration:
        return None


async def _answer(door: Door, attempt: Attempt, step: Step) -> bytes | KeySet | AccountRecord:
    if isinstance(step, Challenge):
        return await attempt.exchange(step.data)
    attempt.login = step.login or attempt.login
    match step:
        case FindKeys(login):
            return await door.keys(login)
        case PasswordClaim(login, password):
            return await door.check(login, password, protocol=attempt.protocol, client_ip=attempt.client_ip)
        case ProofClaim(login, keys):
            return await door.check_proof(login, keys, protocol=attempt.protocol, client_ip=attempt.client_ip)
        case TokenClaim(login, token):
            return await door.check_token(login, token, protocol=attempt.protocol, client_ip=attempt.client_ip)
