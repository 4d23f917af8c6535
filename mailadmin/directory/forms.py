"""What the forms of domains, accounts and aliases check across fields, with the message beside the right field."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib.auth.password_validation import password_validators_help_text_html, validate_password
from django.core.exceptions import ValidationError
from django.utils.html import format_html
from django.utils.safestring import mark_safe
from unfold.widgets import UnfoldAdminPasswordToggleWidget, UnfoldAdminTextInputWidget

from mailadmin.directory.alias_graph import find_loop, lists_root
from mailadmin.directory.form_fields import LinesField, NetworksField, SizeField
from mailadmin.directory.models import Account, Alias, Domain
from mailadmin.directory.validators import (
    validate_account_address,
    validate_alias_address,
    validate_alias_target,
)
from mailcore.address import Address, parse_domain


class DomainForm(forms.ModelForm):
    """A domain; its name is stored as A-label in lower case."""

    class Meta:
        model = Domain
        fields = ("name", "kind", "alias_of", "enabled", "description")

    def clean_name(self) -> str:
        typed = self.cleaned_data["name"].strip().removesuffix(".")
        Domain._meta.get_field("name").run_validators(typed)
        return parse_domain(typed)

    def clean_kind(self) -> str:
        kind: str = self.cleaned_data["kind"]
        accounts = 0 if self.instance._state.adding else self.instance.accounts.count()
        if kind != Domain.Kind.LOCAL and accounts:
            raise ValidationError(f"{accounts} accounts live in this domain; only a local domain can have accounts.")
        return kind

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        kind, target = cleaned.get("kind"), cleaned.get("alias_of")
        if kind == Domain.Kind.ALIAS and target is None and "alias_of" not in self.errors:
            self.add_error("alias_of", "Name the local domain this one is another name of.")
        if kind and kind != Domain.Kind.ALIAS and target is not None:
            self.add_error("alias_of", "Only an alias domain has this. Clear it, or choose the kind “alias”.")
        if target is not None and target.pk == (cleaned.get("name") or self.instance.pk):
            self.add_error("alias_of", "A domain cannot be an alias of itself.")
        return cleaned


class QuotaForm(forms.ModelForm):
    """The quota with human units, for new and existing accounts."""

    quota_bytes = SizeField(
        label="Quota",
        required=False,
        help_text="For example <code>500 MB</code> or <code>2 GB</code>; empty or <code>unlimited</code>: no limit. "
        "Mail that would exceed it is deferred with 452 4.2.2 (Postfix: <code>virtual_mailbox_limit</code>).",
    )

    quota_messages = forms.IntegerField(
        label="Messages at most",
        required=False,
        min_value=0,
        max_value=2**63 - 1,
        widget=UnfoldAdminTextInputWidget,
        help_text="Empty or 0: no limit (Dovecot: <code>quota_rule = *:messages=</code>).",
    )

    login_networks = NetworksField(
        label="Login only from",
        help_text="Networks, one per line, over every protocol and the web; empty: from anywhere (Dovecot: "
        "<code>allow_nets</code>).",
    )

    def clean_quota_bytes(self) -> int:
        return self.cleaned_data["quota_bytes"] or 0

    def clean_quota_messages(self) -> int:
        return self.cleaned_data["quota_messages"] or 0

    def clean_is_staff(self) -> bool:
        """Administrators have all rights: Django's two flags say the same."""
        self.instance.is_superuser = self.cleaned_data["is_staff"]
        return self.instance.is_superuser


class AccountChangeForm(QuotaForm):
    """An existing account: its address and store cannot change here, its password has a page of its own."""

    class Meta:
        model = Account
        fields = (
            "display_name",
            "quota_bytes",
            "quota_messages",
            "enabled",
            "allow_imap",
            "allow_pop3",
            "allow_smtp",
            "app_passwords_only",
            "login_networks",
            "is_staff",
        )

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        if is_last_administrator(self.instance):
            for field in ("enabled", "is_staff"):
                if not cleaned.get(field, True):
                    self.add_error(field, "This is the last administrator; without it nobody could log in here.")
        return cleaned


class AccountAddForm(QuotaForm):
    """A new account: address and password are all it needs."""

    password = forms.CharField(
        label="Password",
        strip=False,
        widget=UnfoldAdminPasswordToggleWidget(attrs={"autocomplete": "new-password"}),
        help_text=mark_safe(password_validators_help_text_html()),
    )

    class Meta:
        model = Account
        fields = (
            "address",
            "password",
            "display_name",
            "quota_bytes",
            "quota_messages",
            "store",
            "enabled",
            "allow_imap",
            "allow_pop3",
            "allow_smtp",
            "app_passwords_only",
            "login_networks",
            "is_staff",
        )

    def clean_address(self) -> str:
        address = parsed_key(self.cleaned_data["address"])
        require_local_domain(address)
        if Alias.objects.filter(address=address).exists():
            raise ValidationError("There is an alias with this address. Delete it first, or choose another address.")
        return address

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        self.instance.domain_id = cleaned.get("address", "").rpartition("@")[2] or None
        if password := cleaned.get("password"):
            owner = Account(address=cleaned.get("address", ""), display_name=cleaned.get("display_name", ""))
            self._check_password(password, owner)
        return cleaned

    def _check_password(self, password: str, owner: Account) -> None:
        try:
            validate_password(password, owner)
        except ValidationError as error:
            self.add_error("password", error)

    def save(self, commit: bool = True) -> Account:
        account: Account = super().save(commit=False)
        account.set_password(self.cleaned_data["password"])
        if commit:
            account.save()
        return account


class SetPasswordForm(forms.Form):
    """A new password for an account, set by an administrator."""

    password = forms.CharField(
        label="New password",
        strip=False,
        widget=UnfoldAdminPasswordToggleWidget(attrs={"autocomplete": "new-password", "autofocus": True}),
    )
    again = forms.CharField(
        label="Once more",
        strip=False,
        widget=UnfoldAdminPasswordToggleWidget(attrs={"autocomplete": "new-password"}),
    )

    def __init__(self, account: Account, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.account = account

    def clean_password(self) -> str:
        password: str = self.cleaned_data["password"]
        validate_password(password, self.account)
        return password

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        if "password" in cleaned and cleaned["password"] != cleaned.get("again"):
            self.add_error("again", "The two passwords are not the same.")
        return cleaned


class AliasForm(forms.ModelForm):
    """An alias with its targets, one per line."""

    targets = LinesField(
        label="Targets",
        item_validator=validate_alias_target,
    )

    class Meta:
        model = Alias
        fields = ("address", "targets", "enabled", "note")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["targets"].help_text = format_html(
            "One per line: local or external addresses, other aliases, or <code>:include:{}/team</code>, a file with "
            "one address per line.",
            lists_root(),
        )

    def clean_address(self) -> str:
        typed = self.cleaned_data["address"].strip()
        validate_alias_address(typed)
        address = f"@{parse_domain(typed[1:])}" if typed.startswith("@") else parsed_key(typed)
        require_local_domain(address)
        return address

    def clean_targets(self) -> list[str]:
        """As they are looked up, each once."""
        typed = self.cleaned_data["targets"]
        keys = [target if target.startswith(":include:") else Address.parse(target).key for target in typed]
        return list(dict.fromkeys(keys))

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        address, targets = cleaned.get("address") or self.instance.address, cleaned.get("targets")
        self.instance.domain_id = (address or "").rpartition("@")[2] or None
        if address and targets and (loop := find_loop(address, targets)):
            self.add_error("targets", f"This is a loop: {' → '.join(loop)}. Mail would never arrive.")
        return cleaned


def parsed_key(typed: str) -> str:
    """The address as it is stored. Raises ValidationError."""
    validate_account_address(typed.strip())
    return Address.parse(typed.strip()).key


def require_local_domain(address: str) -> None:
    """The domain of the address is one of ours, and mailboxes may live there."""
    name = address.rpartition("@")[2]
    domain = Domain.objects.filter(name=name).first()
    if domain is None:
        raise ValidationError(f"There is no domain {name} yet. Create it first.")
    if domain.kind == Domain.Kind.ALIAS:
        raise ValidationError(f"{name} is an alias domain: its addresses are those of {domain.alias_of_id}.")
    if domain.kind == Domain.Kind.RELAY:
        raise ValidationError(f"{name} is a relay domain: its mail is passed on to another server.")


def is_last_administrator(account: Account) -> bool:
    """Nobody else could open the panel."""
    others = Account.objects.filter(is_staff=True, enabled=True).exclude(pk=account.pk)
    return account.is_staff and account.enabled and not others.exists()
