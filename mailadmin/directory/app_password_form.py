"""The form of a new app password: a name, what it opens, and where."""

from __future__ import annotations

from django import forms
from django.core.exceptions import ValidationError
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget, UnfoldAdminTextInputWidget

from mailadmin.directory.app_passwords import PROTOCOLS
from mailadmin.directory.form_fields import NetworksField
from mailadmin.directory.models import AppPassword

LABELS = {"imap": "IMAP", "pop3": "POP3", "smtp": "Sending (submission)"}


class AppPasswordForm(forms.Form):
    """What is asked for when one is made."""

    name = forms.CharField(
        label="Device or program",
        max_length=AppPassword._meta.get_field("name").max_length,
        widget=UnfoldAdminTextInputWidget,
        help_text="So that you know which one to revoke, for example <em>phone</em>.",
    )
    protocols = forms.MultipleChoiceField(
        label="May be used for",
        choices=[(name, LABELS[name]) for name in PROTOCOLS],
        initial=list(PROTOCOLS),
        widget=UnfoldAdminCheckboxSelectMultipleWidget,
    )
    networks = NetworksField(
        label="Only from these networks",
        help_text="One per line, such as <code>192.0.2.0/24</code>; empty: from anywhere.",
    )

    def clean_name(self) -> str:
        name: str = self.cleaned_data["name"].strip()
        if not name.isprintable():
            raise ValidationError("A name of printable characters.")
        return name
