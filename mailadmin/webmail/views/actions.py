"""What is done to messages: read, unread, flagged, moved, copied, deleted. One address for one message and for many.

In a folder of somebody else only what its owner allows (RFC 4314 section 4). A page that was made before a right was
taken away asks in vain, and is told so.
"""

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
from mailadmin.webmail.opened import Opened
from mailadmin.webmail.policy import page
from mailcore.errors import MailboxNotFound, NotPermitted, OverQuota, StoreError
from mailcore.index.records import FLAGGED, SEEN, CopiedUids, FlagChange, FlagMode, Flags
from mailcore.mailbox import mailbox as mailboxes
from mailcore.mailbox.transfer import hand_over
from mailcore.sharing.flags import permitted
from mailcore.sharing.names import name_for
from mailcore.sharing.rights import DELETE_MESSAGE, EXPUNGE, INSERT

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
    opened = access.opened_or_404(request, mailbox_id)
    action, uids = _action(request)
    if not uids and action != "empty":
        messages.info(request, "Tick the messages first.")
        return _back(request, mailbox_id)
    try:
        _do(request, opened, action, uids)
    except OverQuota as error:
        own = error.account == opened.reader.address
        messages.error(request, sentence_for(error)[1] if own else f"The mailbox of {error.account} is full.")
    except StoreError as error:
        messages.error(request, sentence_for(error)[1])
    return _back(request, mailbox_id)


def _action(request: HttpRequest) -> tuple[str, list[int]]:
    """The button that was pressed. `flag:17` is the star of one line, whatever is ticked."""
    action, colon, one = request.POST.get("action", "").partition(":")
    if not colon:
        return action, uids_of(request.POST)
    uid = uid_of(one)
    return action, [] if uid is None else [uid]


def _do(request: HttpRequest, opened: Opened, action: str, uids: list[int]) -> None:
    if action in FLAG_CHANGES:
        _change_flags(opened, uids, FLAG_CHANGES[action])
    elif action == "delete" and opened.special_use != TRASH[0]:
        _move(request, opened, uids, _special(request, *TRASH))
    elif action in ("delete", "expunge"):
        _expunge(request, opened, uids)
    elif action == "empty" and opened.special_use in (TRASH[0], "\\Junk"):
        _expunge(request, opened, None)
    elif action in MOVES:
        _move(request, opened, uids, _special(request, *MOVES[action]))
    elif action == "move":
        _move(request, opened, uids, _target(request))
    elif action == "copy":
        _copy(request, opened, uids, _target(request))


def _change_flags(opened: Opened, uids: list[int], wanted: FlagChange) -> None:
    change = permitted(wanted, opened.rights)
    if change is None:
        raise NotPermitted(f"{opened.owner.address}/{opened.record.name}: flags")
    mailboxes.set_flags(raw_connection(), access.storage(), opened.owner, opened.record, uids, change)
    access.announce(opened.record.id)


def _special(request: HttpRequest, special_use: str, name: str) -> Opened:
    found = access.with_mailbox(access.mailboxes_of(request), special_use or "-", name)
    if found is None:
        raise MailboxNotFound(name)
    account = access.account_of(request)
    return Opened(found, account, account)


def _target(request: HttpRequest) -> Opened:
    mailbox_id = uid_of(request.POST.get("target", ""))
    if mailbox_id is None:
        raise MailboxNotFound("no target")
    return access.opened_or_404(request, mailbox_id, INSERT)


def _move(request: HttpRequest, opened: Opened, uids: list[int], target: Opened) -> None:
    if target.record.id == opened.record.id:
        return
    opened.require(DELETE_MESSAGE, EXPUNGE)
    moved = _transfer(opened, uids, target, is_move=True)
    if not moved.target:
        return
    text = f"{_messages(len(moved.target))} moved to {_called(request, target)}."
    if not (opened.may_insert and target.may_remove):
        messages.success(request, text)
        return
    request.session["webmail_undo"] = {
        "text": text,
        "from": target.record.id,
        "to": opened.record.id,
        "uids": moved.target,
    }


def _copy(request: HttpRequest, opened: Opened, uids: list[int], target: Opened) -> None:
    copied = _transfer(opened, uids, target, is_move=False)
    if copied.target:
        messages.success(request, f"{_messages(len(copied.target))} copied to {_called(request, target)}.")


def _transfer(opened: Opened, uids: list[int], target: Opened, *, is_move: bool) -> CopiedUids:
    """As COPY and MOVE of IMAP."""
    conn, storage = raw_connection(), access.storage()
    if opened.is_own and target.is_own:
        transfer = mailboxes.move if is_move else mailboxes.copy
        done = transfer(conn, storage, opened.owner, opened.record, uids, target.record.name)
    else:
        done = hand_over(conn, storage, opened.owner, opened.record, uids, target.place, move=is_move)
    access.announce(*({opened.record.id, target.record.id} if is_move else {target.record.id}))
    return done


def _called(request: HttpRequest, opened: Opened) -> str:
    if opened.is_own:
        return title(opened.record, access.mailboxes_of(request))
    return name_for(opened.reader.address, opened.owner.address, opened.record.name)


def _expunge(request: HttpRequest, opened: Opened, uids: list[int] | None) -> None:
    opened.require(DELETE_MESSAGE, EXPUNGE)
    conn, storage = raw_connection(), access.storage()
    gone = mailboxes.expunge(conn, storage, opened.owner, opened.record, uids, only_deleted=False)
    access.announce(opened.record.id)
    if gone:
        messages.success(request, f"{_messages(len(gone))} deleted for good.")


def _messages(count: int) -> str:
    return "1 message" if count == 1 else f"{count} messages"


def _back(request: HttpRequest, mailbox_id: int) -> HttpResponse:
    wanted = request.POST.get("next", "")
    safe = url_has_allowed_host_and_scheme(wanted, allowed_hosts=None)
    response = redirect(wanted if safe else reverse("webmail:list", args=[mailbox_id]))
    # 303: the browser, and htmx with it, fetches the next page with GET.
    response.status_code = 303
    return response
