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
    validate_jwks,
    validate_jwks_url,
)
from mailadmin.search import ArrayWords
from mailadmin.transport.fields import CidrField
from mailcore.sasl.scram import new_verifier


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
    quota_messages = models.BigIntegerField(
        "message quota",
        default=0,
        db_default=0,
        help_text=(
            "How many messages the mailboxes may hold; 0 means unlimited (Dovecot: <code>quota_rule = "
            "*:messages=</code>)."
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
    login_networks = ArrayField(
        CidrField(),
        default=list,
        blank=True,
        db_default=[],
        help_text=(
            "Networks from which this account may log in, over every protocol and the web; empty: anywhere (Dovecot: "
            "<code>allow_nets</code>)."
        ),
    )
    app_passwords_only = models.BooleanField(
        "only app passwords for mail",
        default=False,
        db_default=False,
        help_text="The account's own password then opens only the web pages; each device needs an app password.",
    )
    # What SCRAM-SHA-256 needs instead of the password (RFC 5802 section 3); NULL until the password is next set. One
    # salt and count for the account and its app passwords: the server learns only afterwards which one was meant.
    scram_salt = models.BinaryField(null=True, editable=False)
    scram_iterations = models.IntegerField(null=True, editable=False)
    scram_stored_key = models.BinaryField(null=True, editable=False)
    scram_server_key = models.BinaryField(null=True, editable=False)
    is_staff = models.BooleanField("administrator", default=False, help_text="May use this panel.")
    # Not Django's column: AccountLogin knows the last login over each protocol (mailadmin.directory.last_logins).
    last_login = None
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
            models.CheckConstraint(
                condition=Q(quota_messages__gte=0),
                name="account_message_quota_not_negative",
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

    def set_password(self, raw_password: str | None) -> None:
        """The hash, and what SCRAM needs; save CREDENTIAL_FIELDS."""
        super().set_password(raw_password)
        self.make_verifier(raw_password)

    def make_verifier(self, raw_password: str | None) -> None:
        """What SCRAM needs of the password. The salt stays: app passwords share it."""
        self.scram_stored_key = self.scram_server_key = None
        verifier = None if raw_password is None else new_verifier(raw_password, self.scram_salt, self.scram_iterations)
        if verifier is None:
            return
        self.scram_salt, self.scram_iterations = verifier.salt, verifier.iterations
        self.scram_stored_key, self.scram_server_key = verifier.stored_key, verifier.server_key

    def get_full_name(self) -> str:
        return self.display_name or self.address

    def get_short_name(self) -> str:
        return self.display_name or self.address.partition("@")[0]


SCRAM_FIELDS = ("scram_salt", "scram_iterations", "scram_stored_key", "scram_server_key")
CREDENTIAL_FIELDS = ("password", *SCRAM_FIELDS)


class AppPassword(models.Model):
    """A password of one device: 128 random bits, so a plain SHA-256 is enough to keep, and to find it by."""

    # The index of the constraint below begins with the account.
    account = models.ForeignKey(Account, on_delete=models.CASCADE, related_name="app_passwords", db_index=False)
    name = models.CharField(max_length=100, help_text="The device or program that uses it.")
    digest = models.BinaryField(editable=False)
    stored_key = models.BinaryField(editable=False)
    server_key = models.BinaryField(editable=False)
    allow_imap = models.BooleanField("IMAP", default=True)
    allow_pop3 = models.BooleanField("POP3", default=True)
    allow_smtp = models.BooleanField("submission", default=True)
    networks = ArrayField(
        CidrField(), default=list, blank=True, help_text="Networks in which it works; empty: anywhere."
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        db_table = "app_password"
        ordering = ["name", "id"]
        constraints = [models.UniqueConstraint(fields=["account", "digest"], name="app_password_unique_in_account")]

    def __str__(self) -> str:
        return self.name

    @property
    def purposes(self) -> list[str]:
        """What it may be used for, in words."""
        words = {"IMAP": self.allow_imap, "POP3": self.allow_pop3, "sending": self.allow_smtp}
        return [word for word, allowed in words.items() if allowed]


class AppPasswordUse(models.Model):
    """When and from where an app password was last used. A table of its own, as no change of configuration."""

    app_password = models.OneToOneField(
        AppPassword, primary_key=True, db_constraint=False, on_delete=models.DO_NOTHING, related_name="use"
    )
    last_at = models.DateTimeField()
    last_address = models.GenericIPAddressField()

    class Meta:
        db_table = "app_password_use"

    def __str__(self) -> str:
        return f"{self.last_at} {self.last_address}"


class AccountLogin(models.Model):
    """When and from where an account last logged in over one protocol, to the minute: mailcore.directory.last_logins.

    A table of its own, as no change of configuration.
    """

    pk = models.CompositePrimaryKey("account_id", "protocol")
    # The primary key begins with it; its rows go with the account by the database itself.
    account = models.ForeignKey(
        Account, db_index=False, db_constraint=False, on_delete=models.DO_NOTHING, related_name="logins"
    )
    protocol = models.CharField(max_length=8)
    at = models.DateTimeField()
    # NULL: over a Unix socket, or of a time when it was not kept.
    client_address = models.GenericIPAddressField(null=True)

    class Meta:
        db_table = "account_login"

    def __str__(self) -> str:
        return f"{self.protocol} {self.at} {self.client_address}"


class LoginSecret(models.Model):
    """One row, made with the table: what salts for names that do not exist are made of (RFC 5802 section 9)."""

    id = models.SmallIntegerField(primary_key=True, default=1)
    secret = models.BinaryField()

    class Meta:
        db_table = "login_secret"

    def __str__(self) -> str:
        return "secret"


class OauthIssuer(models.Model):
    """Who may say that somebody has logged in elsewhere: an issuer of access tokens (RFC 9068, RFC 7628)."""

    issuer = models.CharField(
        max_length=500,
        unique=True,
        help_text="As the token's claim <code>iss</code> says it, letter by letter: <code>https://id.example.org</code>.",
    )
    audience = models.CharField(
        max_length=500, help_text="What the token's claim <code>aud</code> must name: this mail service there."
    )
    jwks_url = models.CharField(
        "JWKS address",
        max_length=500,
        blank=True,
        validators=[validate_jwks_url],
        help_text="Where the issuer publishes its keys (RFC 7517). Empty: the keys below.",
    )
    jwks = models.TextField(
        "keys",
        blank=True,
        validators=[validate_jwks],
        help_text="A JWK set, when the issuer publishes none; RSA and P-256 keys.",
    )
    address_claim = models.CharField(
        max_length=100, default="email", help_text="The claim that holds the mail address of the account."
    )
    enabled = models.BooleanField(default=True)

    class Meta:
        db_table = "oauth_issuer"
        ordering = ["issuer"]
        verbose_name = "OAuth issuer"
        verbose_name_plural = "OAuth issuers"
        constraints = [
            models.CheckConstraint(
                condition=Q(jwks_url="") ^ Q(jwks=""),
                name="oauth_issuer_has_keys_from_one_place",
                violation_error_message="Give the address of its keys, or the keys themselves.",
            ),
        ]

    def __str__(self) -> str:
        return self.issuer


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
