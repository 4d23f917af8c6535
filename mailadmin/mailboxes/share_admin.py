"""Shares in the panel: which mailbox of whom is open to whom (RFC 4314). A list of all; those of an account are made,
changed and ended on its page.
"""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.views.decorators.http import require_POST
from unfold.contrib.filters.admin import AutocompleteSelectFilter
from unfold.decorators import display

from mailadmin.audit.admin_base import PanelAdmin
from mailadmin.audit.record import Actor
from mailadmin.directory.models import Account
from mailadmin.mailboxes.models import MailboxAcl
from mailadmin.mailboxes.share_form import RightsForm, ShareForm
from mailadmin.mailboxes.sharing import share, unshare

OF_OWNER = "mailbox__account__id__exact"
SHOWN = 50
"""As many as a person looks through; the list has all of them."""


@admin.register(MailboxAcl)
class ShareAdmin(PanelAdmin):
    """Who may do what with whose mailbox."""

    list_display = ("shared", "owner", "reader", "allowed")
    list_filter = (("mailbox__account__domain", AutocompleteSelectFilter),)
    list_filter_submit = True
    list_select_related = ("mailbox__account",)
    search_fields = ("identifier",)
    search_help_text = "With whom it is shared"
    sortable_by = ()
    ordering = ("id",)
    nothing = "Nobody shares a mailbox. People do that in their mail program; you can do it on the page of an account."

    def lookup_allowed(self, lookup: str, value: Any, request: HttpRequest | None = None) -> bool:
        """Also those of one owner: the page of an account leads here."""
        return lookup == OF_OWNER or super().lookup_allowed(lookup, value, request)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """The page that asks what the share allows."""
        if not object_id.isdecimal():
            raise Http404("There is no such share.")
        return HttpResponseRedirect(reverse("admin:share_change", args=[object_id]))

    @display(description="mailbox")
    def shared(self, entry: MailboxAcl) -> str:
        return entry.mailbox.name

    @display(description="of")
    def owner(self, entry: MailboxAcl) -> SafeString:
        account = entry.mailbox.account
        return format_html('<a href="{}">{}</a>', _page(account), account.address)

    @display(description="shared with")
    def reader(self, entry: MailboxAcl) -> str:
        return entry.who

    @display(description="what they may do")
    def allowed(self, entry: MailboxAcl) -> str:
        return entry.allows


def shares_of(account: Account) -> dict[str, Any]:
    """For mailkeep/account_shares.html: two queries, however many there are."""
    entries = MailboxAcl.objects.select_related("mailbox__account")
    given = entries.filter(mailbox__account=account).order_by("mailbox__name", "negative", "identifier")
    received = entries.filter(identifier=account.address).order_by("mailbox__account__address", "mailbox__name")
    return {"shares_given": given[: SHOWN + 1], "shares_received": received[: SHOWN + 1], "shares_shown": SHOWN}


def make(request: HttpRequest, pk: int) -> HttpResponse:
    """Share a mailbox of an account."""
    account = Account.objects.filter(pk=pk).first()
    if account is None:
        raise Http404("There is no such account.")
    form = ShareForm(account, request.POST or None)
    if request.method == "POST" and form.is_valid():
        wanted = form.cleaned_data
        try:
            entry = share(Actor.of_request(request), wanted["mailbox"], wanted["identifier"], wanted["rights"])
        except ValidationError as error:
            form.add_error(None, error)
        else:
            messages.success(request, f"{entry.mailbox.name} is shared with {entry.who}.")
            return HttpResponseRedirect(_page(account))
    return _ask(request, f"Share a mailbox of {account}", form, "Share", account)


def change(request: HttpRequest, pk: int) -> HttpResponse:
    """What a share allows."""
    entry = _entry(pk)
    account, who = entry.mailbox.account, entry.who
    form = RightsForm(request.POST or None, initial={"rights": list(entry.rights)})
    if request.method == "POST" and form.is_valid():
        share(Actor.of_request(request), entry.mailbox, who, form.cleaned_data["rights"])
        messages.success(request, f"The share of {entry.mailbox.name} with {who} is changed; it is in force at once.")
        return HttpResponseRedirect(_page(account))
    return _ask(request, f"{entry.mailbox.name} of {account}, shared with {who}", form, "Save", account)


@require_POST
def end(request: HttpRequest, pk: int) -> HttpResponse:
    """Back to the account, without it."""
    entry = _entry(pk)
    unshare(Actor.of_request(request), entry)
    messages.success(request, f"{entry.mailbox.name} is no longer shared with {entry.who}.")
    return HttpResponseRedirect(_page(entry.mailbox.account))


def _entry(pk: int) -> MailboxAcl:
    entry = MailboxAcl.objects.select_related("mailbox__account").filter(pk=pk).first()
    if entry is None:
        raise Http404("There is no such share.")
    return entry


def _page(account: Account) -> str:
    return reverse("admin:directory_account_change", args=[account.pk]) + "#shares"


def _ask(request: HttpRequest, title: str, form: RightsForm, button: str, account: Account) -> HttpResponse:
    context = {"title": title, "form": form, "button": button, "back": _page(account)}
    return TemplateResponse(request, "mailkeep/form_page.html", {**admin.site.each_context(request), **context})
