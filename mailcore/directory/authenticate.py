"""Who is this? One door for SMTP AUTH, IMAP and POP3, by password, SCRAM proof or token.

A correct password costs one hash and is then known for an hour, under a key of this process, never in the clear; a
login that is remembered costs no I/O. An app password costs no hash at all. What was right is remembered under the hash
that is stored, and all else is asked of the directory each time: a changed password, a revoked app password and a
narrower permission count at once. Failures are counted by mailcore.throttle. The client is never told which check
failed; the error's `reason` is for the trace.
"""

from __future__ import annotations

import asyncio
import hmac
from dataclasses import replace

from mailcore.clock import Clock, SystemClock
from mailcore.directory.app_password_uses import AppPasswordUses
from mailcore.directory.credentials import AppPasswordRecord, Credentials, has_secret_form
from mailcore.directory.known_passwords import KnownPasswords
from mailcore.directory.last_logins import LastLogins
from mailcore.directory.lookups import AccountRecord, LoginDirectory
from mailcore.directory.passwords import DUMMY, check_password
from mailcore.directory.permission import objection_to
from mailcore.directory.tokens import NoTokens, Tokens
from mailcore.errors import AuthenticationFailed, AuthenticationThrottled
from mailcore.offload import Offload
from mailcore.sasl.conversation import KeySet
from mailcore.sasl.scram import ITERATIONS, SALT_BYTES, Keys
from mailcore.throttle.throttle import Throttle

MAX_PASSWORD_BYTES = 1024


class Authenticator:
    """`check`, `check_proof` and `check_token` are the only ways to become an account, `objection` says who must go."""

    def __init__(
        self,
        directory: LoginDirectory,
        offload: Offload,
        clock: Clock | None = None,
        *,
        throttle: Throttle | None = None,
        uses: AppPasswordUses | None = None,
        logins: LastLogins | None = None,
        tokens: Tokens | None = None,
        hashes: int = 2,
    ) -> None:
        self._directory = directory
        self._offload = offload
        self._clock = clock or SystemClock()
        self._throttle = throttle or Throttle(None, lambda: 20, self._clock)
        self._uses = uses
        self._logins = logins
        self._tokens = tokens or NoTokens()
        self._known = KnownPasswords(self._clock)
        self._hashes = asyncio.Semaphore(hashes)  # a hash is a core's work: no more at once than there are cores
        self._running: dict[bytes, asyncio.Task[bool]] = {}

    async def check(self, login: str, password: str, *, protocol: str, client_ip: str) -> AccountRecord:
        """The account, if the password is right and it may be used for this protocol ("imap", "pop3", "smtp") here.

        Raises AuthenticationFailed, AuthenticationThrottled, DirectoryUnavailable.
        """
        key = login.strip().lower()
        account, credentials = await self._account(key)
        if account is not None and has_secret_form(password):
            app_password = credentials.app_password(password)
            if app_password is not None:
                return self._allowed(account, credentials, protocol, client_ip, app_password)
        elif (
            account is not None
            and self._known.has(account, password)
            and not self._throttle.refused_lately(client_ip, key)
        ):
            return self._allowed(account, credentials, protocol, client_ip)
        await self._refuse_if_throttled(client_ip, key)
        if has_secret_form(password) or not await self._matches(account, password, client_ip, key):
            await self._fail(key, client_ip, "wrong password" if account is not None else "unknown name")
        assert account is not None
        self._known.note(account, password)
        await self._offload.plain(self._throttle.succeeded, client_ip, key)
        return self._allowed(account, credentials, protocol, client_ip)

    async def keys(self, login: str) -> KeySet:
        """What SCRAM needs of this account; of one that cannot do SCRAM, or does not exist, nothing anybody fits."""
        key = login.strip().lower()
        account, credentials = await self._account(key)
        found = credentials.key_set if account is not None else None
        if found is not None:
            return found
        secret = await self._offload.plain(self._directory.login_secret)
        return KeySet(hmac.digest(secret, key.encode(errors="surrogatepass"), "sha256")[:SALT_BYTES], ITERATIONS)

    async def check_proof(self, login: str, keys: Keys | None, *, protocol: str, client_ip: str) -> AccountRecord:
        """As check(), for a SCRAM proof that fits `keys` of keys(), or none of them."""
        key = login.strip().lower()
        await self._refuse_if_throttled(client_ip, key)
        account, credentials = await self._account(key)
        if account is None or keys is None:
            await self._fail(key, client_ip, "wrong password" if account is not None else "unknown name")
        assert account is not None
        assert keys is not None
        app_password = credentials.with_keys(keys)
        if app_password is None and keys != credentials.own_keys:
            await self._fail(key, client_ip, "revoked in the meantime")
        await self._offload.plain(self._throttle.succeeded, client_ip, key)
        return self._allowed(account, credentials, protocol, client_ip, app_password)

    async def check_token(self, login: str, token: str, *, protocol: str, client_ip: str) -> AccountRecord:
        """As check(), for a bearer token; `login` may be "". Nobody guesses a signature, so no failure is counted."""
        address = await self._tokens.address_of(token)
        key = login.strip().lower() or address
        if key != address:
            raise AuthenticationFailed(f"{key!r} shows a token of {address!r}", "token of somebody else")
        account, credentials = await self._account(key)
        if account is None:
            raise AuthenticationFailed(f"{key!r} from {client_ip}", "unknown name")
        return self._allowed(account, credentials, protocol, client_ip)

    async def objection(self, account: AccountRecord, *, protocol: str, client_ip: str) -> str:
        """Why a session that began with this answer of ours may not go on, "" if it may. To be asked when the
        configuration has changed: then it costs two look-ups, at other times no I/O. Raises DirectoryUnavailable.

        A hash that was only renewed (mailadmin.hashers) counts as another password: who was right may come again.
        """
        now, credentials = await self._account(account.address)
        if now is None or now.ref.id != account.ref.id:
            return "account deleted"
        if account.app_password_id is None:
            changed = "password changed" if now.password != account.password else ""
            return objection_to(now, credentials, protocol, client_ip, None) or changed
        app_password = credentials.app_password_of(account.app_password_id)
        if app_password is None:
            return "app password revoked"
        return objection_to(now, credentials, protocol, client_ip, app_password)

    async def _account(self, key: str) -> tuple[AccountRecord | None, Credentials]:
        if "\0" in key:
            # Nobody's name. PostgreSQL cannot even be asked for it, which would look like a failure of ours.
            return None, Credentials()
        entry = self._directory.cached(key)
        if entry is None:
            entry = await self._offload.plain(self._directory.entry, key)
        account = entry.account
        if account is None:
            return None, Credentials()
        known = self._directory.cached_credentials(account.ref.id)
        if known is None:
            known = await self._offload.plain(self._directory.credentials, account.ref.id)
        return account, known

    async def _matches(self, account: AccountRecord | None, password: str, client_ip: str, key: str) -> bool:
        if len(password.encode(errors="surrogatepass")) > MAX_PASSWORD_BYTES:
            return False
        if account is None:
            # So that the answer takes as long as for an account that exists.
            await self._hash(password, DUMMY, client_ip, key)
            return False
        # A client that opens several connections at once costs one hash.
        digest = self._known.digest(account, password) + client_ip.encode()
        task = self._running.get(digest)
        if task is None:
            hashing = self._hash(password, account.password, client_ip, key)
            task = self._running[digest] = asyncio.create_task(hashing)
            task.add_done_callback(lambda _: self._running.pop(digest, None))
        return await asyncio.shield(task)

    async def _hash(self, password: str, stored: str, client_ip: str, key: str) -> bool:
        async with self._hashes:
            # Those who came at once have all been let in; meanwhile the first of them have failed.
            await self._refuse_if_throttled(client_ip, key)
            return await self._offload.plain(check_password, password, stored)

    def _allowed(
        self,
        account: AccountRecord,
        credentials: Credentials,
        protocol: str,
        client_ip: str,
        app_password: AppPasswordRecord | None = None,
    ) -> AccountRecord:
        reason = objection_to(account, credentials, protocol, client_ip, app_password)
        if reason:
            raise AuthenticationFailed(f"{account.address} from {client_ip} over {protocol}: {reason}", reason)
        if self._logins is not None:
            self._logins.note(account.ref.id, protocol, client_ip)
        if app_password is None:
            return account
        if self._uses is not None:
            self._uses.note(app_password.id, client_ip)
        return replace(account, app_password_id=app_password.id)

    async def _refuse_if_throttled(self, client_ip: str, key: str) -> None:
        if await self._offload.plain(self._throttle.must_wait, client_ip, key):
            raise AuthenticationThrottled(f"too many failures from the network of {client_ip}")

    async def _fail(self, key: str, client_ip: str, reason: str) -> None:
        await self._offload.plain(self._throttle.failed, client_ip, key)
        raise AuthenticationFailed(f"{key!r} from {client_ip}", reason)
