"""What is inside a message, each under an address of its own: the HTML for the frame, pictures, files, the whole.

Nothing here is ever shown by the browser with our origin's rights: the HTML comes with a sandbox policy, files are
downloads, and only pictures of harmless types have a type at all.
"""

from collections.abc import Iterator
from typing import TypeVar

from django.core import signing
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.shortcuts import render
from django.utils.http import content_disposition_header
from django.views.decorators.http import require_GET

from mailadmin.database import raw_connection
from mailadmin.directory.models import Account
from mailadmin.webmail import access
from mailadmin.webmail.policy import FILE, guarded, html_part_policy, page
from mailadmin.webmail.views.messages import INLINE_SALT, display, read_message
from mailcore.mailbox import mailbox as mailboxes
from mailcore.message.saved_part import extract
from mailcore.store.base import StoredMessage

PICTURES = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp", "image/bmp"})
INLINE_MAX_AGE_S = 24 * 3600

Response = TypeVar("Response", bound=HttpResponseBase)


@page
@require_GET
def html_part(request: HttpRequest, mailbox_id: int, uid: int) -> HttpResponse:
    """The sanitised HTML as a page for the sandboxed frame."""
    opened = access.opened_or_404(request, mailbox_id)
    remote = request.GET.get("images") == "1"
    shown = display(request, opened.record, uid, read_message(opened, uid), remote=remote)
    if shown is None or not shown.html:
        raise Http404("This message has no HTML.")
    response = render(request, "webmail/html_part.html", {"html": shown.html})
    origin = f"{request.scheme}://{request.get_host()}"
    response.headers["Content-Security-Policy"] = html_part_policy(origin, remote_allowed=remote)
    response.headers["Referrer-Policy"] = "no-referrer"
    return response


@page
@require_GET
def part(request: HttpRequest, mailbox_id: int, uid: int, number: str) -> HttpResponse:
    """One part as a download; `?view=1` shows a picture in its place."""
    found = extract(read_message(access.opened_or_404(request, mailbox_id), uid), number)
    if found is None:
        raise Http404("This message has no such part.")
    as_picture = request.GET.get("view") == "1" and found.content_type in PICTURES
    return _file(found.content, found.content_type, found.name, attachment=not as_picture)


@guarded
@require_GET
def inline(request: HttpRequest, key: str) -> HttpResponse:
    """A picture of a message for the sandboxed frame, which sends no cookies: the signed address says whose it is."""
    try:
        account_id, mailbox_id, uid, number = signing.loads(key, salt=INLINE_SALT, max_age=INLINE_MAX_AGE_S)
    except signing.BadSignature as error:
        raise Http404("This address is not valid any more.") from error
    account = Account.objects.filter(pk=account_id, enabled=True).first()
    if account is None:
        raise Http404("There is no such message.")
    found = extract(read_message(access.opened_by(access.reference(account), mailbox_id), uid), number)
    if found is None or found.content_type not in PICTURES:
        raise Http404("There is no such picture.")
    response = _file(found.content, found.content_type, found.name, attachment=False)
    response.headers["Cache-Control"] = "private, max-age=3600"
    return response


@page
@require_GET
def raw(request: HttpRequest, mailbox_id: int, uid: int) -> HttpResponseBase:
    """The whole message as a file, a block at a time: memory does not depend on its size."""
    opened = access.opened_or_404(request, mailbox_id)
    message = mailboxes.open_message(raw_connection(), access.storage(), opened.owner, opened.record, uid)
    response = StreamingHttpResponse(_blocks(message), content_type="application/octet-stream")
    response.headers["Content-Length"] = str(message.wire_size)
    return _guard(response, f"message-{uid}.eml", attachment=True)


def _blocks(message: StoredMessage) -> Iterator[bytes]:
    with message:
        yield from message.chunks()


def _file(content: bytes, content_type: str, name: str, *, attachment: bool) -> HttpResponse:
    safe_type = content_type if content_type in PICTURES or not content_type.startswith("text/") else "text/plain"
    response = HttpResponse(content, content_type=safe_type if not attachment else "application/octet-stream")
    return _guard(response, name, attachment=attachment)


def _guard(response: Response, name: str, *, attachment: bool) -> Response:
    response.headers["Content-Disposition"] = content_disposition_header(attachment, name) or "attachment"
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Content-Security-Policy"] = FILE
    response.headers["Referrer-Policy"] = "no-referrer"
    return response
