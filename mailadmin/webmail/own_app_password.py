"""The form of a new app password on one's own page: it asks for the account's password, too."""

from __future__ import annotations

from typing import Any

from django import forms
from django.http import HttpRequest

from mailadmin.directory.app_password_form import AppPasswordForm
from mailadmin.sign_in import prove


class OwnAppPasswordForm(AppPasswordForm):
    """A browser that was left signed in, or is borrowed, makes none."""

    current_password = forms.CharField(label="Your password", strip=False, max_length=1024)

    def __init__(self, request: HttpRequest, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._request = request

    def clean_current_password(self) -> str:
        typed: str = self.cleaned_data["current_password"]
        prove(self._request, typed)
        return typed

    def wanted(self) -> dict[str, Any]:
        """What shall be made, once the form is valid."""
        return {name: value for name, value in self.cleaned_data.items() if name != "current_password"}
