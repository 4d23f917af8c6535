"""What is done to messages: read, unread, flagged, moved, deleted. One address for one message and for many."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_POST

from mailadmin.database import raw_connection
from mailadmin.webmail import access
from mailadmin.webmail.errors import sentence_for
from mailadmin.webmail.folders import title
from mailadmin.webmail.forms import uid_of, uids_of
from mailadmin.webmail.policy import page
from mailcore.errors import MailboxNotFound, StoreError
from mailcore.index.records import FLAGGED, SEEN, FlagChange, FlagMode, Flags, MailboxRecord
from mailcore.mailbox import mailbox as mailboxes

FLAG_CHANGES = {
    "read": FlagChange(FlagMode.ADD, Flags(SEEN)),
    "unread": FlagChange(FlagMode.REMOVE, Flags(SEEN)),
    "flag": FlagChange(FlagMode.ADD, Flags(FLAGGED)),
    "unflag": FlagChange(FlagMode.REMOVE, Flags(FLAGGED)),
}
# action -> (special use, name) of the folder it moves to
MOVES = {"archive": ("\\Archive", "Archive"), "junk": ("\\Junk", "Junk"), "inbox": ("", "INBOX")}
TRASH = ("\\Trash", "Trash")


@page
@require_POST
def act(request: HttpRequest, mailbox_id: int) -> HttpResponse:
    """Do `action` to every `uid` of the form, then go to `next`."""
    mailbox = access.mailbox_or_404(request, mailbox_id)
    action, uids = _action(request)
    if not uids and action != "empty":
        messages.info(request, "Tick the messages first.")
        return _back(request, mailbox)
    try:
        _do(request, mailbox, action, uids)
    except StoreError as error:
        messages.error(request, sentence_for(error)[1])
    return _back(request, mailbox)


def _action(request: HttpRequest) -> tuple[str, list[int]]:
    """The button that was pressed. `flag:17` is the star of one line, whatever is ticked."""
    action, colon, one = request.POST.get("action", "").partition(":")
    if not colon:
        return action, uids_of(request.POST)
    uid = uid_of(one)
    return action, [] if uid is None else [uid]


def _do(request: HttpRequest, mailbox: MailboxRecord, action: str, uids: list[int]) -> None:
    if action in FLAG_CHANGES:
        account = access.account_of(request)
        mailboxes.set_flags(raw_connection(), access.storage(), account, mailbox, uids, FLAG_CHANGES[action])
        access.announce(mailbox.id)
    elif action == "delete" and mailbox.special_use != TRASH[0]:
        _move(request, mailbox, uids, _special(request, *TRASH))
    elif action in ("delete", "expunge"):
        _expunge(request, mailbox, uids)
    elif action == "empty" and mailbox.special_use in (TRASH[0], "\\Junk"):
        _expunge(request, mailbox, None)
    elif action in MOVES:
        _move(request, mailbox, uids, _special(request, *MOVES[action]))
    elif action == "move":
        target = uid_of(request.POST.get("target", ""))
        if target is None:
            raise MailboxNotFound("no target")
        _move(request, mailbox, uids, access.mailbox_or_404(request, target))


def _special(request: HttpRequest, special_use: str, name: str) -> MailboxRecord:
    found = access.with_mailbox(access.mailboxes_of(request), special_use or "-", name)
    if found is None:
        raise MailboxNotFound(name)
    return found


def _move(request: HttpRequest, mailbox: MailboxRecord, uids: list[int], target: MailboxRecord) -> None:
    if target.id == mailbox.id:
        return
    account = access.account_of(request)
    moved = mailboxes.move(raw_connection(), access.storage(), account, mailbox, uids, target.name)
    access.announce(mailbox.id, target.id)
    if not moved.target:
        return
    request.session["webmail_undo"] = {
        "text": f"{_messages(len(moved.target))} moved to {title(target, access.mailboxes_of(request))}.",
        "from": target.id,
        "to": mailbox.id,
        "uids": moved.target,
    }


def _expunge(request: HttpRequest, mailbox: MailboxRecord, uids: list[int] | None) -> None:
    account = access.account_of(request)
    gone = mailboxes.expunge(raw_connection(), access.storage(), account, mailbox, uids, only_deleted=False)
    access.announce(mailbox.id)
    if gone:
        messages.success(request, f"{_messages(len(gone))} deleted for good.")


def _messages(count: int) -> str:
    return "1 message" if count == 1 else f"{count} messages"


def _back(request: HttpRequest, mailbox: MailboxRecord) -> HttpResponse:
    wanted = request.POST.get("next", "")
    safe = url_has_allowed_host_and_scheme(wanted, allowed_hosts=None)
    response = redirect(wanted if safe else reverse("webmail:list", args=[mailbox.id]))
    # 303: the browser, and htmx with it, fetches the next page with GET.
    response.status_code = 303
    return response
