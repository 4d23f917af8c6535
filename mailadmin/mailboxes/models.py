"""The index: mailboxes, UIDs, flags, modseq and what was read out of each message. Written only through mailcore."""

from __future__ import annotations

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex, OpClass
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now, Upper

from mailcore.sharing import rights


class Mailbox(models.Model):
    """An IMAP mailbox (RFC 3501 section 5.1)."""

    account = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="mailboxes")
    name = models.CharField(max_length=1000)
    uidvalidity = models.BigIntegerField()
    uidnext = models.BigIntegerField(default=1)
    highestmodseq = models.BigIntegerField(default=1)
    first_recent_uid = models.BigIntegerField(default=1)
    expunged_horizon = models.BigIntegerField(db_default=0, editable=False)
    special_use = models.CharField(max_length=32, blank=True)
    messages = models.BigIntegerField(default=0)
    unseen = models.BigIntegerField(default=0)
    size = models.BigIntegerField(default=0)

    class Meta:
        db_table = "mailbox"
        ordering = ["name"]
        verbose_name_plural = "mailboxes"
        constraints = [
            models.UniqueConstraint("account", "name", name="mailbox_name_unique_in_account"),
            models.CheckConstraint(condition=Q(messages__gte=0, unseen__gte=0, size__gte=0), name="mailbox_counters"),
        ]
        # Never on a counter: an index on what every delivery changes would make each of them write all indexes.
        indexes = [GinIndex(OpClass(Upper("name"), name="gin_trgm_ops"), name="mailbox_search")]

    def __str__(self) -> str:
        return self.name


class Subscription(models.Model):
    """A name on the list of LSUB; it may name a mailbox that does not exist (RFC 3501 section 6.3.6)."""

    account = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    name = models.CharField(max_length=1000)

    class Meta:
        db_table = "subscription"
        constraints = [models.UniqueConstraint("account", "name", name="subscription_unique")]

    def __str__(self) -> str:
        return self.name


class Message(models.Model):
    """One message of a mailbox. The columns from `envelope` on are a cache: NULL until somebody asked."""

    pk = models.CompositePrimaryKey("mailbox_id", "uid")
    mailbox = models.ForeignKey(Mailbox, on_delete=models.CASCADE, related_name="+", db_index=False)
    uid = models.BigIntegerField()
    modseq = models.BigIntegerField()
    store_key = models.TextField()
    size = models.BigIntegerField()
    internal_date = models.DateTimeField()
    flags = models.PositiveSmallIntegerField(default=0)
    keywords = ArrayField(models.TextField(), default=list)
    envelope = models.BinaryField(null=True)
    body_structure = models.BinaryField(null=True)
    subject = models.TextField(null=True)
    sender = models.TextField(null=True)
    recipients = models.TextField(null=True)
    sent_at = models.DateTimeField(null=True)
    message_id = models.TextField(null=True)
    has_attachments = models.BooleanField(null=True)
    # NULL says what is true of most, so that a delivery writes nothing here: where it was born it still is, it was
    # saved when it arrived.
    email_id = models.BigIntegerField(null=True)
    saved_at = models.DateTimeField(null=True)
    preview = models.TextField(null=True)
    thread_refs = models.BinaryField(null=True)

    class Meta:
        db_table = "message"
        indexes = [
            models.Index(fields=["mailbox", "modseq"], name="message_modseq"),
            models.Index(fields=["mailbox"], condition=~Q(keywords=[]), name="message_keyworded"),
        ]

    def __str__(self) -> str:
        return f"{self.mailbox_id}/{self.uid}"


class Expunged(models.Model):
    """A UID that is gone, and since when (RFC 7162 section 3.2). Rows up to the mailbox's `expunged_horizon` are
    forgotten (mailcore.index.forgetting).
    """

    pk = models.CompositePrimaryKey("mailbox_id", "uid")
    mailbox = models.ForeignKey(Mailbox, on_delete=models.CASCADE, related_name="+", db_index=False)
    uid = models.BigIntegerField()
    modseq = models.BigIntegerField()
    at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "expunged"
        indexes = [models.Index(fields=["mailbox", "modseq"], name="expunged_modseq")]

    def __str__(self) -> str:
        return f"{self.mailbox_id}/{self.uid}"


class SearchSegment(models.Model):
    """Words of a block of messages (mailcore.mailbox.words). The database deletes it with its mailbox."""

    mailbox = models.ForeignKey(
        Mailbox, on_delete=models.DO_NOTHING, related_name="+", db_index=False, db_constraint=False
    )
    field = models.PositiveSmallIntegerField()
    first_uid = models.BigIntegerField()
    last_uid = models.BigIntegerField()
    is_full = models.BooleanField()
    fold_version = models.PositiveSmallIntegerField(db_default=0)
    uids = models.BinaryField()
    words = models.BinaryField()
    offsets = models.BinaryField()
    postings = models.BinaryField()

    class Meta:
        db_table = "search_segment"
        constraints = [models.UniqueConstraint(fields=["mailbox", "field", "last_uid"], name="search_segment_block")]
        # Blocks of another rule are looked for all the time, and nearly never there.
        indexes = [
            models.Index(fields=["fold_version", "mailbox"], condition=models.Q(field=0), name="search_segment_stale")
        ]

    def __str__(self) -> str:
        return f"{self.mailbox_id}/{self.first_uid}:{self.last_uid}"


RIGHTS_IN_WORDS = {
    rights.LOOKUP: "see it in lists",
    rights.READ: "read messages",
    rights.KEEP_SEEN: "mark as read",
    rights.WRITE: "set other flags",
    rights.INSERT: "add messages",
    rights.POST: "post by mail, not used here",
    rights.CREATE: "make mailboxes below",
    rights.DELETE_MAILBOX: "delete or rename it",
    rights.DELETE_MESSAGE: "mark as deleted",
    rights.EXPUNGE: "remove what is so marked",
    rights.ADMIN: "share it with others",
}
"""The rights of RFC 4314 section 2.1 as people read them."""


class MailboxAcl(models.Model):
    """What somebody may do with a mailbox of another (RFC 4314). The owner needs no row. The database deletes it with
    its mailbox.

    `identifier` is an account's address, "anyone" or "authenticated"; `rights` are letters of RFC 4314 section 2.1.
    """

    mailbox = models.ForeignKey(
        Mailbox, on_delete=models.DO_NOTHING, related_name="+", db_index=False, db_constraint=False
    )
    identifier = models.CharField(max_length=320)
    negative = models.BooleanField(default=False)
    rights = models.CharField(max_length=32)

    class Meta:
        db_table = "mailbox_acl"
        constraints = [models.UniqueConstraint(fields=["mailbox", "identifier", "negative"], name="mailbox_acl_unique")]
        indexes = [models.Index(fields=["identifier"], name="mailbox_acl_identifier")]
        verbose_name = "share"

    def __str__(self) -> str:
        return f"{self.mailbox_id} {self.who} {self.rights}"

    @property
    def who(self) -> str:
        """The identifier as it is written in a list of rights."""
        return f"-{self.identifier}" if self.negative else self.identifier

    @property
    def allows(self) -> str:
        """The rights in words."""
        words = "everything"
        if self.rights != rights.ALL:
            words = ", ".join(text for letter, text in RIGHTS_IN_WORDS.items() if letter in self.rights)
        return f"must not: {words}" if self.negative else words


class MailboxMetadata(models.Model):
    """An annotation of a mailbox (RFC 5464); `reader` is whose private one it is, NULL for /shared. The database
    deletes it with its mailbox. `entry` is lower-case, without /private or /shared.
    """

    mailbox = models.ForeignKey(
        Mailbox, on_delete=models.DO_NOTHING, related_name="+", db_index=False, db_constraint=False
    )
    reader = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.CASCADE, related_name="+")
    entry = models.CharField(max_length=255)
    value = models.BinaryField()

    class Meta:
        db_table = "mailbox_metadata"
        constraints = [
            models.UniqueConstraint(
                fields=["mailbox", "reader", "entry"], name="mailbox_metadata_unique", nulls_distinct=False
            )
        ]

    def __str__(self) -> str:
        return f"{self.mailbox_id} {self.entry}"


class ServerMetadata(models.Model):
    """An annotation of the server (RFC 5464 section 4.1: mailbox ""); `reader` as in MailboxMetadata."""

    reader = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.CASCADE, related_name="+")
    entry = models.CharField(max_length=255)
    value = models.BinaryField()

    class Meta:
        db_table = "server_metadata"
        constraints = [
            models.UniqueConstraint(fields=["reader", "entry"], name="server_metadata_unique", nulls_distinct=False)
        ]

    def __str__(self) -> str:
        return self.entry


class AccountUsage(models.Model):
    """What an account occupies; kept in the transaction of every change."""

    account = models.OneToOneField(
        settings.AUTH_USER_MODEL, primary_key=True, on_delete=models.CASCADE, related_name="usage"
    )
    bytes = models.BigIntegerField(default=0)
    messages = models.BigIntegerField(default=0)

    class Meta:
        db_table = "account_usage"

    def __str__(self) -> str:
        return f"{self.bytes} bytes"
