"""The queue in the panel: one line per recipient who waits, a page per message, and what may be done to them.

Rows are never written here: every deed is one of mailcore.queue.operations, asked for on a page of its own first.
"""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.contrib.admin import helpers
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.contrib.filters.admin import TextFilter
from unfold.decorators import display

from mailadmin.api.fields import domain_key
from mailadmin.audit.admin_base import PanelAdmin
from mailadmin.audit.record import Actor
from mailadmin.directory.templatetags.mailkeep import age, moment
from mailadmin.mailqueue.actions import DELETE, HOLD, RELEASE, RETRY, act
from mailadmin.mailqueue.content import queued_headers
from mailadmin.mailqueue.models import QueueMessage, QueueRecipient

STATE_TONES = {"waiting": "info", "being sent": "success", "on hold": "warning"}
DEEDS = {"retry": RETRY, "hold": HOLD, "release": RELEASE, "delete": DELETE}
# name -> (button, what will happen, tone of the button)
WORDS = {
    "retry": ("Try again now", "will be tried again at once, instead of at the time of the next attempt.", ""),
    "hold": ("Put on hold", "will not be tried again until released. Mail on hold still expires.", ""),
    "release": ("Release", "will be released and tried at once.", ""),
    "delete": (
        "Delete",
        "will be forgotten. The mail is lost for them and nobody is told: neither the sender nor the recipients.",
        "danger",
    ),
}
SHOWN_IN_CONFIRMATION = 20


class ReadOnlyAdmin(PanelAdmin):
    """Rows that programs write; people look at them."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class DestinationFilter(TextFilter):
    """One domain, typed: a list of all that wait would be thousands of lines on a bad day."""

    title, parameter_name = "destination", "destination"

    def queryset(self, request: HttpRequest, queryset: QuerySet[QueueRecipient]) -> QuerySet[QueueRecipient]:
        typed = (self.value() or "").strip()
        return queryset.filter(destination=domain_key(typed)) if typed else queryset


class AttemptsFilter(admin.SimpleListFilter):
    """How often it was tried."""

    title, parameter_name = "attempts", "attempts"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("0", "none yet"), ("1", "at least one"), ("5", "five and more")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[QueueRecipient]) -> QuerySet[QueueRecipient]:
        if self.value() not in {"0", "1", "5"}:
            return queryset
        return queryset.filter(attempts=0) if self.value() == "0" else queryset.filter(attempts__gte=int(self.value()))


@admin.register(QueueRecipient)
class QueueRecipientAdmin(ReadOnlyAdmin):
    """The queue, recipient by recipient, with the remote server's own words."""

    nothing = "The queue is empty: no mail is waiting."
    list_display = ("queue_id", "state_label", "envelope", "waiting_for", "next_attempt", "last_words")
    list_display_links = None
    list_filter = ("state", DestinationFilter, AttemptsFilter)
    list_filter_submit = True
    search_fields = ("address", "message__queue_id", "message__sender", "message__message_id", "last_reply")
    search_help_text = "Address, queue id, Message-ID or the remote server's words"
    list_select_related = ("message",)
    ordering = ("next_attempt_at", "id")
    list_fullwidth = True
    actions = ("retry", "hold", "release", "delete")

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        """Only ours: Django's own deletion would leave the message without its recipients."""
        return {name: action for name, action in super().get_actions(request).items() if name in DEEDS}

    @display(description="queue id", ordering="message__queue_id")
    def queue_id(self, recipient: QueueRecipient) -> SafeString:
        url = reverse("admin:mailqueue_queuemessage_change", args=[recipient.message_id])
        return format_html('<a class="mk-link mk-mono" href="{}">{}</a>', url, recipient.message.queue_id)

    @display(description="state", ordering="state", label=STATE_TONES)
    def state_label(self, recipient: QueueRecipient) -> str:
        return str(recipient.get_state_display())

    @display(description="sender, recipient", ordering="address")
    def envelope(self, recipient: QueueRecipient) -> SafeString:
        sender = recipient.message.sender or "<>"
        return format_html('<span><span class="mk-quiet">{}</span><br>{}</span>', sender, recipient.address)

    @display(description="age", ordering="message__received_at")
    def waiting_for(self, recipient: QueueRecipient) -> SafeString:
        tries = f"{recipient.attempts} attempt{'' if recipient.attempts == 1 else 's'}"
        return format_html(
            '<span class="mk-nowrap">{}<br><span class="mk-quiet">{}</span></span>',
            age(recipient.message.received_at),
            tries,
        )

    @display(description="next attempt", ordering="next_attempt_at")
    def next_attempt(self, recipient: QueueRecipient) -> SafeString | str:
        if recipient.state != QueueRecipient.State.WAITING:
            return "–"
        return moment(recipient.next_attempt_at)

    @display(description="last reply", ordering="last_reply")
    def last_words(self, recipient: QueueRecipient) -> SafeString | str:
        if not recipient.last_reply:
            return ""
        return format_html(
            '<span class="mk-words" title="{}">{}</span>',
            f"{recipient.last_relay}: {recipient.last_reply}",
            recipient.last_reply,
        )

    @admin.action(description="Try again now")
    def retry(self, request: HttpRequest, chosen: QuerySet[QueueRecipient]) -> HttpResponse | None:
        return self._ask_then_act(request, "retry", chosen)

    @admin.action(description="Put on hold")
    def hold(self, request: HttpRequest, chosen: QuerySet[QueueRecipient]) -> HttpResponse | None:
        return self._ask_then_act(request, "hold", chosen)

    @admin.action(description="Release")
    def release(self, request: HttpRequest, chosen: QuerySet[QueueRecipient]) -> HttpResponse | None:
        return self._ask_then_act(request, "release", chosen)

    @admin.action(description="Delete")
    def delete(self, request: HttpRequest, chosen: QuerySet[QueueRecipient]) -> HttpResponse | None:
        return self._ask_then_act(request, "delete", chosen)

    def _ask_then_act(self, request: HttpRequest, name: str, chosen: QuerySet[QueueRecipient]) -> HttpResponse | None:
        if request.POST.get("confirmed") != "yes":
            return self._confirmation(request, name, chosen)
        found = list(chosen.values_list("pk", "message__queue_id"))
        key = ", ".join(sorted({queue_id for _, queue_id in found})[:10])
        count = act(DEEDS[name], Actor.of_request(request), key, recipient_ids=[pk for pk, _ in found])
        say_how_many(request, name, count)
        return None

    def _confirmation(self, request: HttpRequest, name: str, chosen: QuerySet[QueueRecipient]) -> HttpResponse:
        hidden = [("action", name), ("confirmed", "yes"), ("index", "0")]
        hidden.append(("select_across", request.POST.get("select_across", "0")))
        hidden += [(helpers.ACTION_CHECKBOX_NAME, pk) for pk in request.POST.getlist(helpers.ACTION_CHECKBOX_NAME)]
        back = request.get_full_path()
        return confirmation_page(request, self.admin_site, name, chosen, hidden, back)


@admin.register(QueueMessage)
class QueueMessageAdmin(ReadOnlyAdmin):
    """The page of one queued message; the list of messages is the list of their recipients."""

    has_list_of_its_own = False

    def get_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        return [
            path("<int:message_id>/<str:name>/confirm/", wrap(self.deed), name="mailqueue_queuemessage_deed"),
            *super().get_urls(),
        ]

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        return HttpResponseRedirect(reverse("admin:mailqueue_queuerecipient_changelist"))

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        message = self.get_object(request, object_id)
        if message is None:
            return self._gone(request)
        context = {
            **self.admin_site.each_context(request),
            "title": f"Message {message.queue_id}",
            "message_row": message,
            "recipients": message.recipients.order_by("id")[:500],
            "recipient_count": message.recipients.count(),
            "headers": queued_headers(message),
            "deeds": [(name, words[0], words[2]) for name, words in WORDS.items()],
        }
        return TemplateResponse(request, "mailkeep/queue_message.html", context)

    def deed(self, request: HttpRequest, message_id: int, name: str) -> HttpResponse:
        """Asks before it does something to all recipients of a message."""
        if name not in DEEDS:
            raise Http404
        message = QueueMessage.objects.filter(pk=message_id).first()
        if message is None:
            return self._gone(request)
        back = reverse("admin:mailqueue_queuemessage_change", args=[message.pk])
        if request.method != "POST":
            return confirmation_page(
                request, self.admin_site, name, message.recipients.all(), [], back, action_url=request.path
            )
        count = act(DEEDS[name], Actor.of_request(request), message.queue_id, message_ids=[message.pk])
        say_how_many(request, name, count)
        still_there = QueueMessage.objects.filter(pk=message.pk).exists()
        return HttpResponseRedirect(back if still_there else reverse("admin:mailqueue_queuerecipient_changelist"))

    def _gone(self, request: HttpRequest) -> HttpResponse:
        messages.info(request, "This message has left the queue meanwhile. The message trace knows what became of it.")
        return HttpResponseRedirect(reverse("admin:mailqueue_queuerecipient_changelist"))


def confirmation_page(
    request: HttpRequest,
    site: admin.AdminSite,
    name: str,
    chosen: QuerySet[QueueRecipient],
    hidden: list[tuple[str, str]],
    back: str,
    action_url: str = "",
) -> TemplateResponse:
    """What would happen to whom, with a button to do it and one to go back."""
    button, consequence, tone = WORDS[name]
    context = {
        **site.each_context(request),
        "title": f"{button}?",
        "deed": name,
        "button": button,
        "consequence": consequence,
        "tone": tone,
        "recipients": chosen.select_related("message")[:SHOWN_IN_CONFIRMATION],
        "count": chosen.count(),
        "hidden": hidden,
        "back": back,
        "action_url": action_url,
    }
    return TemplateResponse(request, "mailkeep/queue_confirm.html", context)


def say_how_many(request: HttpRequest, name: str, count: int) -> None:
    """The result in a sentence; nothing done is worth a word, too: the queue moves while one looks at it."""
    done = {
        "retry": "will be tried again now",
        "hold": "on hold",
        "release": "released",
        "delete": "deleted from the queue",
    }[name]
    if count:
        messages.success(request, f"{count} recipient{'s' if count != 1 else ''} {done}.")
    else:
        messages.warning(request, "Nothing changed: no recipient was in a state for this any more.")
