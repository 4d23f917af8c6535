"""The search form of the message trace."""

from __future__ import annotations

import ipaddress
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from mailadmin.trace.criteria import Criteria, read_anything

OUTCOMES = (
    ("", "any"),
    ("refused", "refused"),
    ("accepted", "accepted"),
    ("delivered", "delivered here"),
    ("relayed", "sent on"),
    ("deferred", "deferred"),
    ("bounced", "bounced"),
    ("auth_failed", "login failed"),
)


class MomentWidget(UnfoldAdminTextInputWidget):
    """The browser's own date and time field."""

    input_type = "datetime-local"


def _text(placeholder: str) -> UnfoldAdminTextInputWidget:
    return UnfoldAdminTextInputWidget(attrs={"placeholder": placeholder})


class TraceForm(forms.Form):
    """Each field is optional; `q` guesses what it was given."""

    q = forms.CharField(label="Anything", required=False, widget=_text("address, queue id, Message-ID, client IP"))
    sender = forms.CharField(required=False, widget=_text("a@example.org or @example.org"))
    recipient = forms.CharField(required=False, widget=_text("b@example.org or @example.org"))
    client = forms.CharField(label="Client address", required=False, widget=_text("192.0.2.1 or 192.0.2.0/24"))
    queue_id = forms.CharField(label="Queue id", required=False, widget=_text(""))
    message_id = forms.CharField(label="Message-ID", required=False, widget=_text("<…@…>"))
    outcome = forms.ChoiceField(choices=OUTCOMES, required=False, widget=UnfoldAdminSelectWidget)
    since = forms.DateTimeField(label="From", required=False, widget=MomentWidget)
    until = forms.DateTimeField(label="Until", required=False, widget=MomentWidget)

    def clean_client(self) -> str:
        typed: str = self.cleaned_data["client"].strip()
        if typed:
            try:
                ipaddress.ip_network(typed, strict=False)
            except ValueError:
                raise ValidationError(f"“{typed}” is neither an address nor a network.") from None
        return typed

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        since, until = cleaned.get("since"), cleaned.get("until")
        if since and until and until <= since:
            self.add_error("until", "The end must be after the beginning.")
        return cleaned

    def criteria(self) -> Criteria:
        """What was asked for; the quick search fills the field it recognised, unless that is given already."""
        fields = {name: value for name, value in self.cleaned_data.items() if name != "q" and value}
        guessed = read_anything(self.cleaned_data["q"])
        for name in ("client", "queue_id", "message_id", "anything"):
            if getattr(guessed, name):
                fields.setdefault(name, getattr(guessed, name))
        return Criteria(**fields)
