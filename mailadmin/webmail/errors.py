"""What went wrong, as a page a person understands; one table from mailcore's errors to status and sentence."""

import logging

import psycopg
from django.core.exceptions import PermissionDenied
from django.db import DatabaseError
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render

from mailcore.errors import (
    CannotDeleteInbox,
    HasChildren,
    MailboxBelowItself,
    MailboxExists,
    MailboxNameInvalid,
    MailboxNotFound,
    MailError,
    MessageGone,
    NotPermitted,
    OverQuota,
    TooManyMailboxes,
)

log = logging.getLogger(__name__)

SENTENCES: dict[type[MailError], tuple[int, str]] = {
    MessageGone: (404, "This message is not here any more. Perhaps it was moved or deleted elsewhere."),
    MailboxNotFound: (404, "There is no such folder any more."),
    NotPermitted: (403, "The owner of this folder does not allow you to do that, or not any more."),
    MailboxExists: (409, "There is a folder of that name already."),
    MailboxNameInvalid: (400, "This cannot be the name of a folder."),
    MailboxBelowItself: (400, "A folder cannot be moved into itself."),
    TooManyMailboxes: (409, "There are too many folders already; delete some first."),
    HasChildren: (409, "The folder has folders in it; delete those first."),
    CannotDeleteInbox: (409, "The inbox always exists."),
    OverQuota: (409, "Your mailbox is full. Delete something you do not need any more, and empty the trash."),
}
UNAVAILABLE = (503, "Your mail cannot be reached at the moment. Try again in a few seconds; nothing is lost.")
NOT_FOUND = (404, "There is nothing here. Perhaps the message or folder was moved or deleted.")
TITLES = {403: "Not allowed", 404: "Not found", 503: "One moment, please"}


def sentence_for(error: Exception) -> tuple[int, str]:
    """(status, sentence) for an error of mailcore or the database; anything else is not ours to explain."""
    for kind, found in SENTENCES.items():
        if isinstance(error, kind):
            return found
    return UNAVAILABLE


def error_page(request: HttpRequest, status: int, sentence: str) -> HttpResponse:
    """A page with one sentence and a way back."""
    context = {"title": TITLES.get(status, "That did not work"), "sentence": sentence, "status": status}
    response = render(request, "webmail/error.html", context, status=status)
    if status == 503:
        response.headers["Retry-After"] = "5"
    return response


def answer_error(request: HttpRequest, error: Exception) -> HttpResponse:
    """The page for an exception of a view. Re-raises what is a bug."""
    match error:
        case Http404():
            return error_page(request, *NOT_FOUND)
        case PermissionDenied():
            return error_page(request, 403, "You may not do this.")
        case MailError() | DatabaseError() | psycopg.Error():
            status, sentence = sentence_for(error)
            if status == 503:
                log.error("webmail_unavailable path=%s", request.path, exc_info=error)
            return error_page(request, status, sentence)
    raise error
