"""App passwords: made for one device, shown once, revoked when it is lost. The same for panel, own page and API."""

from __future__ import annotations

from collections.abc import Sequence

from django.core.exceptions import ValidationError
from django.db import transaction

from mailadmin.audit.models import AuditEntry
from mailadmin.audit.record import Actor, record, values_of
from mailadmin.directory.models import Account, AppPassword
from mailadmin.status.sessions import end_sessions
from mailcore.directory.credentials import digest_of, new_secret
from mailcore.sasl.scram import new_verifier

MOST = 50
"""App passwords of one account: each is tried at a SCRAM login."""
PROTOCOLS = ("imap", "pop3", "smtp")


@transaction.atomic
def make_app_password(
    actor: Actor,
    account: Account,
    name: str,
    protocols: Sequence[str] = PROTOCOLS,
    networks: Sequence[str] = (),
) -> tuple[AppPassword, str]:
    """A new one and, this once, its text. Raises ValidationError."""
    # The row is held: two made at once must not each draw a salt, and an old form must not bring back old keys.
    account = Account.objects.select_for_update().get(pk=account.pk)
    if account.app_passwords.count() >= MOST:
        raise ValidationError({"name": [f"There are {MOST} app passwords already. Revoke one that is not needed."]})
    secret = new_secret()
    verifier = new_verifier(secret, account.scram_salt, account.scram_iterations)
    assert verifier is not None  # of letters and digits
    if not account.scram_salt:
        account.scram_salt, account.scram_iterations = verifier.salt, verifier.iterations
        account.save(update_fields=["scram_salt", "scram_iterations"])
    made = AppPassword(
        account=account,
        name=name,
        digest=digest_of(secret),
        stored_key=verifier.stored_key,
        server_key=verifier.server_key,
        networks=list(networks),
        **{f"allow_{protocol}": protocol in protocols for protocol in PROTOCOLS},
    )
    made.full_clean()
    made.save()
    record(actor, AuditEntry.Action.CREATED, made, {}, values_of(made))
    return made, secret


@transaction.atomic
def revoke_app_password(actor: Actor, app_password: AppPassword) -> None:
    """It opens nothing any more: the next login fails, and sessions that began with it are ended."""
    record(actor, AuditEntry.Action.DELETED, app_password, values_of(app_password), {})
    end_sessions(app_password.account_id, app_password.pk)
    app_password.delete()


def with_use(account: Account) -> list[AppPassword]:
    """Those of an account with their last use, in one query."""
    return list(account.app_passwords.select_related("use"))


def last_use(app_password: AppPassword) -> tuple[object, str] | None:
    """(when, from where), None if it was never used."""
    use = getattr(app_password, "use", None)
    return None if use is None else (use.last_at, use.last_address)
