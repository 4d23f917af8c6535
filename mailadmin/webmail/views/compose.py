"""Writing: a new message, a reply, a forwarded one."""

import logging
import mimetypes
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

from django.conf import settings
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from mailadmin.database import raw_connection
from mailadmin.directory.models import Account, Alias
from mailadmin.transport.models import ServerSettings
from mailadmin.webmail import access
from mailadmin.webmail.answers import FORWARD, MODES, Prefilled, answer
from mailadmin.webmail.forms import uid_of
from mailadmin.webmail.opened import Opened
from mailadmin.webmail.outgoing import MAX_RECIPIENTS, Draft, File, Person, build, leave, parse_people
from mailadmin.webmail.policy import page
from mailadmin.webmail.views.folders import frame
from mailadmin.webmail.views.messages import display, read_message
from mailcore.address import Address
from mailcore.errors import AddressSyntaxError, StoreError
from mailcore.ids import new_message_id
from mailcore.index.records import ANSWERED, SEEN, FlagChange, FlagMode, Flags
from mailcore.mailbox import mailbox as mailboxes

log = logging.getLogger(__name__)

NO_SUBMISSION = "This account may not send mail."
FIELDS = ("to", "cc", "bcc", "subject", "text", "in_reply_to", "references")


@page
@require_http_methods(["GET", "POST"])
def compose(request: HttpRequest) -> HttpResponse:
    """The form, empty or as a reply; sending it."""
    account = cast(Account, request.user)
    if not account.allow_smtp:
        raise PermissionDenied(NO_SUBMISSION)
    original = _original(request)
    mode = request.GET.get("mode", "")
    if request.method == "GET":
        return _form(request, vars_of(_prefilled(request, original, mode)), {})
    values = {name: request.POST.get(name, "").replace("\x00", "") for name in FIELDS}
    draft, problems = _draft(request, values, original if mode == FORWARD else None)
    if draft is None:
        return _form(request, values, problems, status=400)
    try:
        message = build(draft, new_message_id(_host_name(account)), datetime.now(UTC))
        leave(Path(settings.MAIL_HOME) / "maildrop", str(draft.sender.address), draft.recipients, message)
    except OSError:
        log.exception("webmail_not_sent account=%s", account.address)
        return _form(request, values, {"form": "The message could not be handed over. Try again."}, status=503)
    _keep(request, message)
    if original is not None and mode in MODES and mode != FORWARD:
        _mark_answered(*original)
    messages.success(request, "The message is on its way.")
    return redirect("webmail:home")


def vars_of(filled: Prefilled) -> dict[str, str]:
    """The values of the form's fields."""
    return {name: getattr(filled, name, "") for name in FIELDS}


def sender_choices(account: Account) -> list[str]:
    """The account's address, and the aliases that lead to it."""
    aliases = Alias.objects.filter(enabled=True, is_system=False, targets__contains=[account.address])
    names = aliases.exclude(address__startswith="@").values_list("address", flat=True)
    return [account.address, *(name for name in names if name != account.address)]


def _form(request: HttpRequest, values: dict[str, str], problems: dict[str, str], status: int = 200) -> HttpResponse:
    account = cast(Account, request.user)
    context = {
        **frame(request, None),
        "values": values,
        "problems": problems,
        "senders": sender_choices(account),
        "chosen_sender": request.POST.get("sender", account.address),
        "is_forward": request.GET.get("mode") == FORWARD,
        "title": "New message",
        "here": request.get_full_path(),
    }
    return render(request, "webmail/compose.html", context, status=status)


def _original(request: HttpRequest) -> tuple[Opened, int] | None:
    """The message that is answered, from `?mailbox=&uid=`; only one that may be read."""
    mailbox_id, uid = uid_of(request.GET.get("mailbox", "")), uid_of(request.GET.get("uid", ""))
    if mailbox_id is None or uid is None:
        return None
    return access.opened_or_404(request, mailbox_id), uid


def _prefilled(request: HttpRequest, original: tuple[Opened, int] | None, mode: str) -> Prefilled:
    if original is None or mode not in MODES:
        return Prefilled(to=request.GET.get("to", "")[:1000])
    opened, uid = original
    shown = display(request, opened.record, uid, read_message(opened, uid), remote=False)
    if shown is None:
        raise Http404("This message cannot be answered.")
    return answer(shown, mode, frozenset(sender_choices(cast(Account, request.user))), shown.sent_at)


def _draft(
    request: HttpRequest, values: dict[str, str], forwarded: tuple[Opened, int] | None
) -> tuple[Draft | None, dict[str, str]]:
    """The message that was written, or what is wrong with which field."""
    problems: dict[str, str] = {}
    people: dict[str, tuple[Person, ...]] = {}
    for name in ("to", "cc", "bcc"):
        try:
            people[name] = parse_people(values[name])
        except AddressSyntaxError as error:
            problems[name] = str(error)
    if not problems and not any(people.values()):
        problems["to"] = "To whom?"
    if not problems and sum(map(len, people.values())) > MAX_RECIPIENTS:
        problems["to"] = f"At most {MAX_RECIPIENTS} recipients."
    files = _files(request, forwarded)
    limit = ServerSettings.objects.values_list("message_size_limit", flat=True).first()
    # Base64 makes three bytes four, and every line has an end.
    if limit and sum(len(file.content) for file in files) * 1.4 > limit:
        problems["files"] = "The files are too large for a message."
    if problems:
        return None, problems
    texts = {name: values[name] for name in ("subject", "text", "in_reply_to", "references")}
    return Draft(_sender(request), **people, **texts, files=files), {}


def _sender(request: HttpRequest) -> Person:
    account = cast(Account, request.user)
    chosen = request.POST.get("sender", "")
    address = chosen if chosen in sender_choices(account) else account.address
    return Person(account.display_name, Address.parse(address))


def _files(request: HttpRequest, forwarded: tuple[Opened, int] | None) -> tuple[File, ...]:
    files = [_uploaded(upload) for upload in request.FILES.getlist("files")]
    if forwarded is not None:
        files.append(File("message.eml", "message/rfc822", read_message(*forwarded)))
    return tuple(files)


def _uploaded(upload: Any) -> File:
    guessed = mimetypes.guess_type(upload.name)[0]
    return File(upload.name, guessed or "application/octet-stream", upload.read())


def _host_name(account: Account) -> str:
    name = ServerSettings.objects.values_list("myhostname", flat=True).first()
    return name or account.address.rpartition("@")[2]


def _keep(request: HttpRequest, message: bytes) -> None:
    """A copy into Sent. The message is on its way already: if there is no room for the copy, say so and no more."""
    sent = access.with_mailbox(access.mailboxes_of(request), "\\Sent", "Sent")
    if sent is None:
        return
    account = access.account_of(request)
    try:
        mailboxes.append(raw_connection(), access.storage(), account, sent.name, message, Flags(SEEN), None)
    except StoreError:
        messages.warning(request, "There was no room for a copy in Sent.")
        return
    access.announce(sent.id)


def _mark_answered(opened: Opened, uid: int) -> None:
    if not opened.may_flag:
        return
    change = FlagChange(FlagMode.ADD, Flags(ANSWERED))
    mailboxes.set_flags(raw_connection(), access.storage(), opened.owner, opened.record, [uid], change)
    access.announce(opened.record.id)
