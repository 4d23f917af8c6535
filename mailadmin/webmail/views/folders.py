"""The list of messages of one folder, and the folders themselves."""

from collections.abc import Sequence
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_POST

from mailadmin.database import raw_connection
from mailadmin.webmail import access
from mailadmin.webmail.errors import sentence_for
from mailadmin.webmail.folders import folders, title
from mailadmin.webmail.forms import list_query
from mailadmin.webmail.listing import SHOWN, list_page
from mailadmin.webmail.opened import Opened
from mailadmin.webmail.policy import page
from mailadmin.webmail.shared_folders import shared_folders, targets
from mailcore.errors import NotPermitted, StoreError
from mailcore.index.records import MailboxRecord
from mailcore.mailbox import account as account_mailboxes
from mailcore.mailbox.mailbox import refresh
from mailcore.sharing import places

MAX_FOLDER_NAME = 200
NAMES_OF_OTHERS = "Names that begin with “user/” or “shared/” are those of other people's folders."


def frame(request: HttpRequest, opened: Opened | None) -> dict[str, Any]:
    """What every page in the frame needs: the folder list, where in it we are, and what we may do there."""
    found, shared = access.mailboxes_of(request), access.shared_with(request)
    current_id = opened.record.id if opened else None
    own = folders(found, current_id)
    return {
        "folders": own,
        "shared_folders": shared_folders(access.account_of(request), shared, current_id),
        "targets": targets(own, shared, current_id),
        "opened": opened,
        "mailbox": opened.record if opened else None,
        "mailbox_title": _title(opened, found) if opened else "",
        "is_trash": opened is not None and opened.special_use == "\\Trash",
        "is_junk": opened is not None and opened.special_use == "\\Junk",
        "undo": _undo(request),
    }


def _title(opened: Opened, own: Sequence[MailboxRecord]) -> str:
    if opened.is_own:
        return title(opened.record, own)
    return f"{title(opened.record, [])} of {opened.owner.address}"


def _undo(request: HttpRequest) -> dict[str, Any] | None:
    """The offer to undo the last move: made once, but kept while the list only looks for new mail."""
    if request.headers.get("X-News"):
        return request.session.get("webmail_offered")
    offered = request.session.pop("webmail_undo", None)
    if offered != request.session.get("webmail_offered"):
        request.session["webmail_offered"] = offered
    return offered


@page
@require_GET
def home(request: HttpRequest) -> HttpResponse:
    """To the inbox."""
    inbox = next(mailbox for mailbox in access.mailboxes_of(request) if mailbox.name == "INBOX")
    return redirect("webmail:list", inbox.id)


@page
@require_GET
def message_list(request: HttpRequest, mailbox_id: int) -> HttpResponse:
    """The folder's messages, newest first. htmx gets the list and the folder counts, a browser the whole page."""
    opened = access.opened_or_404(request, mailbox_id)
    if refresh(raw_connection(), access.storage(), opened.owner, opened.record):
        opened = access.opened_or_404(request, mailbox_id)
    query = list_query(request.GET)
    context = {
        **frame(request, opened),
        "page": list_page(opened.owner, opened.record, query),
        "query": query,
        "tabs": [(label, query.url_query(show=shown), query.shown == shown) for shown, label in SHOWN.items()],
        "everywhere_url": query.url_query(**{"in": "" if query.everywhere else "text"}),
        "here": request.get_full_path(),
    }
    template = "webmail/list_part.html" if request.htmx else "webmail/list.html"  # type: ignore[attr-defined]
    return render(request, template, context)


@page
@require_GET
def news(request: HttpRequest, mailbox_id: int) -> HttpResponse:
    """200 if the mailbox has changed since `modseq`, else 204: what an open list asks every few seconds."""
    opened = access.opened_or_404(request, mailbox_id)
    refresh(raw_connection(), access.storage(), opened.owner, opened.record)
    now = access.opened_or_404(request, mailbox_id)
    known = request.GET.get("modseq", "")
    return HttpResponse(status=204 if known == str(now.record.highestmodseq) else 200)


@page
@require_POST
def create_folder(request: HttpRequest) -> HttpResponse:
    """A new folder; "/" in the name puts it into another one. Names like those of others stay theirs."""
    name = request.POST.get("name", "").replace("\x00", "").strip()[:MAX_FOLDER_NAME]
    account = access.account_of(request)
    try:
        if places.resolve_new(raw_connection(), account, name).owner.id != account.id:
            raise NotPermitted(name)
        made = account_mailboxes.create_mailbox(raw_connection(), access.storage(), account, name)
    except NotPermitted:
        messages.error(request, NAMES_OF_OTHERS)
        return redirect("webmail:home")
    except StoreError as error:
        messages.error(request, sentence_for(error)[1])
        return redirect("webmail:home")
    account_mailboxes.set_subscribed(raw_connection(), account, made.name, True)
    access.announce(made.id)
    access.announce_account(account)
    messages.success(request, f"The folder {made.name} is there.")
    return redirect("webmail:list", made.id)


@page
@require_POST
def delete_folder(request: HttpRequest, mailbox_id: int) -> HttpResponse:
    """Delete an own folder. It must be empty: what is in it is deleted message by message, by way of the trash."""
    opened = access.opened_or_404(request, mailbox_id)
    mailbox, account = opened.record, opened.owner
    if not opened.is_own or mailbox.special_use or mailbox.name == "INBOX" or mailbox.messages:
        messages.error(request, "Only empty folders of your own can be deleted.")
        return redirect("webmail:list", mailbox.id)
    try:
        account_mailboxes.delete_mailbox(raw_connection(), access.storage(), account, mailbox.name)
    except StoreError as error:
        messages.error(request, sentence_for(error)[1])
        return redirect("webmail:list", mailbox.id)
    account_mailboxes.set_subscribed(raw_connection(), account, mailbox.name, False)
    access.announce(mailbox.id)
    access.announce_account(account)
    messages.success(request, f"The folder {mailbox.name} is deleted.")
    return redirect("webmail:home")
