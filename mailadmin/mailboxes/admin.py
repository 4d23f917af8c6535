"""What lies in the mailboxes, in numbers. Read only: messages change through IMAP, POP3 and webmail."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from unfold.decorators import display

from mailadmin.audit.admin_base import PanelAdmin
from mailadmin.directory.quantities import format_bytes
from mailadmin.mailboxes.models import Mailbox


@admin.register(Mailbox)
class MailboxAdmin(PanelAdmin):
    """Every mailbox of every account, with its counters and its IMAP identity."""

    list_display = ("name", "account", "messages", "unseen", "used", "special_use")
    list_filter = ("account__domain", "special_use")
    search_fields = ("name", "account__address")
    search_help_text = "Mailbox or account"
    ordering = ("account__address", "name")
    list_select_related = ("account",)
    fields = (
        "account", "name", "special_use", "messages", "unseen", "used", "uidvalidity", "uidnext", "highestmodseq"
    )  # fmt: skip
    readonly_fields = fields

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    @display(description="size", ordering="size")
    def used(self, mailbox: Mailbox) -> str:
        return format_bytes(mailbox.size)
