"""The forms of a share: which mailbox, with whom, and what they may do there."""

from __future__ import annotations

from typing import Any

from django import forms
from unfold.widgets import (
    UnfoldAdminCheckboxSelectMultipleWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextInputWidget,
)

from mailadmin.directory.models import Account
from mailadmin.mailboxes.models import RIGHTS_IN_WORDS, Mailbox
from mailadmin.mailboxes.sharing import USUAL


class RightsForm(forms.Form):
    """What an existing share allows."""

    rights = forms.MultipleChoiceField(
        label="What they may do",
        choices=[(letter, f"{words} ({letter})") for letter, words in RIGHTS_IN_WORDS.items()],
        initial=list(USUAL),
        widget=UnfoldAdminCheckboxSelectMultipleWidget,
    )


class ShareForm(RightsForm):
    """A new share of a mailbox of one account."""

    mailbox = forms.ModelChoiceField(
        Mailbox.objects.none(), label="Mailbox", widget=UnfoldAdminSelectWidget, empty_label=None
    )
    identifier = forms.CharField(
        label="Share with",
        max_length=320,
        widget=UnfoldAdminTextInputWidget,
        help_text="The address of an account here, or <code>anyone</code> for every account of the same domain. A "
        "<code>-</code> in front takes these rights away from who would have them otherwise.",
    )
    field_order = ("mailbox", "identifier", "rights")

    def __init__(self, account: Account, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        choice = self.fields["mailbox"]
        assert isinstance(choice, forms.ModelChoiceField)
        choice.queryset = Mailbox.objects.filter(account=account).select_related("account").order_by("name")
        choice.label_from_instance = lambda mailbox: mailbox.name
