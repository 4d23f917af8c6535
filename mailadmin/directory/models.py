"""Domains, accounts and aliases: who exists here.

The database itself refuses what makes no sense (constraints below); the programs read these tables as plain SQL
(mailcore.directory, mailcore.config). Keys are stored lower-case with the domain as A-label, as Address.key gives them.
"""

from __future__ import annotations

from typing import ClassVar

from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.models import PermissionsMixin
from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex, OpClass
from django.db import models
from django.db.models import F, Q, Value
from django.db.models.functions import Concat, Lower, Upper

from mailadmin.directory.managers import AccountManager
from mailadmin.directory.validators import (
    validate_account_address,
    validate_alias_address,
    validate_alias_target,
    validate_domain_name,
)
from mailadmin.search import ArrayWords


def is_in_its_domain() -> Q:
    """`address` ends with "@" and the name of the row's own domain."""
    return Q(address__endswith=Concat(Value("@"), F("domain")))


class Domain(models.Model):
    """A domain this server is responsible for. Its name is its key: domains are not renamed."""

    class Kind(models.TextChoices):
        LOCAL = "local", "Local: mailboxes are here"
        RELAY = "relay", "Relay: passed on to another server"
        ALIAS = "alias", "Alias: another name of a local domain"

    name = models.CharField(
        primary_key=True,
        max_length=253,
        validators=[validate_domain_name],
        help_text="For example <code>example.org</code>. International names are stored in their ASCII form.",
    )
    kind = models.CharField(
        max_length=8,
        choices=Kind,
        default=Kind.LOCAL,
        help_text=(
            "Local replaces Postfix's <code>mydestination</code> and <code>virtual_mailbox_domains</code>, relay "
            "replaces <code>relay_domains</code>, alias replaces <code>virtual_alias_domains</code>."
        ),
    )
    alias_of = models.ForeignKey(
        "self",
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="alias_domains",
        limit_choices_to={"kind": "local"},
        help_text="The local domain whose addresses also exist here. Only for alias domains.",
    )
    enabled = models.BooleanField(
        default=True,
        help_text="Mail for a disabled domain is refused with 550 5.1.2.",
    )
    description = models.CharField(max_length=200, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        db_table = "domain"
        ordering = ["name"]
        constraints = [
            models.CheckConstraint(condition=Q(name=Lower("name")), name="domain_name_lower_case"),
            models.CheckConstraint(condition=Q(kind__in=["local", "relay", "alias"]), name="domain_kind_known"),
            models.CheckConstraint(
                condition=Q(kind="alias", alias_of__isnull=False) | (~Q(kind="alias") & Q(alias_of__isnull=True)),
                name="domain_alias_of_goes_with_kind_alias",
                violation_error_message=(
                    "An alias domain needs the local domain it stands for, other kinds must not name one."
                ),
            ),
            models.CheckConstraint(
                condition=~Q(alias_of=F("name")),
                name="domain_not_alias_of_itself",
                violation_error_message="A domain cannot be an alias of itself.",
            ),
        ]

    def __str__(self) -> str:
        return self.name


class Account(AbstractBaseUser, PermissionsMixin):
    """Somebody with a mailbox, a login and perhaps the right to administer. The superuser is an account too."""

    class Store(models.TextChoices):
        MAILDIR = "maildir", "Maildir"
        MBOX = "mbox", "mbox"

    address = models.CharField(
        max_length=320,
        unique=True,
        validators=[validate_account_address],
        help_text="The mail address, which is also the login name (Postfix: <code>virtual_mailbox_maps</code>).",
    )
    domain = models.ForeignKey(Domain, on_delete=models.PROTECT, related_name="accounts", editable=False)
    display_name = models.CharField(max_length=200, blank=True, help_text="The name people see.")
    quota_bytes = models.BigIntegerField(
        default=0,
        help_text=(
            "0 means unlimited. Mail that would exceed it is deferred with 452 4.2.2 (Postfix: "
            "<code>virtual_mailbox_limit</code>)."
        ),
    )
    enabled = models.BooleanField(
        default=True, help_text="A disabled account cannot log in; mail for it is refused with 550 5.2.1."
    )
    store = models.CharField(
        max_length=8,
        choices=Store,
        default=Store.MAILDIR,
        help_text=(
            "How mail lies on disk (Postfix: <code>home_mailbox = Maildir/</code> or "
            "<code>mail_spool_directory</code>). "
            "Change it later with <code>manage.py convert_store</code>."
        ),
    )
    allow_imap = models.BooleanField("IMAP", default=True)
    allow_pop3 = models.BooleanField("POP3", default=True)
    allow_smtp = models.BooleanField(
        "submission", default=True, help_text="May send on ports 587 and 465 after logging in."
    )
    is_staff = models.BooleanField("administrator", default=False, help_text="May use this panel.")
    created_at = models.DateTimeField(auto_now_add=True)

    objects: ClassVar[AccountManager] = AccountManager()

    USERNAME_FIELD = "address"
    EMAIL_FIELD = "address"
    REQUIRED_FIELDS: ClassVar[list[str]] = []

    class Meta:
        db_table = "account"
        ordering = ["address"]
        constraints = [
            models.CheckConstraint(condition=Q(address=Lower("address")), name="account_address_lower_case"),
            models.CheckConstraint(condition=is_in_its_domain(), name="account_address_in_its_domain"),
            models.CheckConstraint(
                condition=Q(quota_bytes__gte=0),
                name="account_quota_not_negative",
                violation_error_message="The quota cannot be negative; 0 means unlimited.",
            ),
            models.CheckConstraint(condition=Q(store__in=["maildir", "mbox"]), name="account_store_known"),
        ]
        indexes = [
            GinIndex(
                OpClass(Upper("address"), name="gin_trgm_ops"),
                OpClass(Upper("display_name"), name="gin_trgm_ops"),
                name="account_search",
            ),
            # The few who may use the panel: asked for whenever one of them is changed.
            models.Index(fields=["id"], condition=Q(is_staff=True), name="account_staff"),
        ]

    def __str__(self) -> str:
        return self.address

    @property
    def is_active(self) -> bool:
        """Django's name for `enabled`."""
        return self.enabled

    def get_full_name(self) -> str:
        return self.display_name or self.address

    def get_short_name(self) -> str:
        return self.display_name or self.address.partition("@")[0]


class Alias(models.Model):
    """An address that stands for other addresses. Expanded by mailcore.routing.expand."""

    address = models.CharField(
        max_length=320,
        unique=True,
        validators=[validate_alias_address],
        help_text=(
            "For example <code>sales@example.org</code>; <code>@example.org</code> catches everything the domain does "
            "not know otherwise (Postfix: <code>virtual_alias_maps</code>, <code>/etc/aliases</code>)."
        ),
    )
    domain = models.ForeignKey(Domain, on_delete=models.CASCADE, related_name="aliases", editable=False)
    targets = ArrayField(
        models.CharField(max_length=1024, validators=[validate_alias_target]),
        help_text=(
            "One per line: local or external addresses, other aliases, or <code>:include:NAME</code>, a file below "
            "<code>$MAIL_HOME/lists/</code>."
        ),
    )
    enabled = models.BooleanField(default=True, help_text="Mail to a disabled alias is refused with 550.")
    is_system = models.BooleanField(
        default=False, editable=False, help_text="Made with its domain (RFC 2142): postmaster, abuse, root."
    )
    note = models.CharField(max_length=200, blank=True)

    class Meta:
        db_table = "alias"
        ordering = ["address"]
        verbose_name_plural = "aliases"
        constraints = [
            models.CheckConstraint(condition=Q(address=Lower("address")), name="alias_address_lower_case"),
            models.CheckConstraint(condition=is_in_its_domain(), name="alias_address_in_its_domain"),
            models.CheckConstraint(
                condition=Q(targets__len__gte=1),
                name="alias_has_targets",
                violation_error_message="An alias needs at least one target.",
            ),
        ]
        indexes = [
            GinIndex(
                OpClass(Upper("address"), name="gin_trgm_ops"),
                OpClass(Upper(ArrayWords("targets")), name="gin_trgm_ops"),
                OpClass(Upper("note"), name="gin_trgm_ops"),
                name="alias_search",
            ),
            # Which aliases lead to somebody: what the owner may send as (mailcore.directory), the page of an account.
            GinIndex(fields=["targets"], name="alias_targets"),
            models.Index(fields=["address"], condition=Q(enabled=False), name="alias_disabled"),
            models.Index(fields=["address"], condition=Q(is_system=True), name="alias_system"),
        ]

    def __str__(self) -> str:
        return self.address
