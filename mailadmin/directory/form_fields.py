"""Form fields for sizes, times and lists, typed and shown as administrators write them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from unfold.widgets import UnfoldAdminTextareaWidget, UnfoldAdminTextInputWidget

from mailadmin.directory.quantities import exact_bytes, format_seconds, parse_bytes, parse_seconds
from mailadmin.transport.fields import parse_network


class QuantityField(forms.Field):
    """A whole number that people write with a unit."""

    widget = UnfoldAdminTextInputWidget
    parse: Callable[[str], int]
    show: Callable[[int], str]
    complaint = ""

    def to_python(self, value: Any) -> int | None:
        text = str(value or "").strip()
        if not text:
            return None
        try:
            return type(self).parse(text)
        except ValueError:
            raise ValidationError(self.complaint, code="invalid") from None

    def prepare_value(self, value: Any) -> Any:
        return type(self).show(value) if isinstance(value, int) else value

    def has_changed(self, initial: Any, data: Any) -> bool:
        try:
            return bool(initial != self.to_python(data))
        except ValidationError:
            return True


class SizeField(QuantityField):
    """Bytes: "2 GB", "512 MB", "unlimited"."""

    parse = staticmethod(parse_bytes)  # type: ignore[assignment]
    show = staticmethod(exact_bytes)  # type: ignore[assignment]
    complaint = "Write a size such as 500 MB, 2 GB or unlimited."


class DurationField(QuantityField):
    """Seconds in Postfix's notation: "300s", "5m", "4h", "5d"."""

    parse = staticmethod(parse_seconds)  # type: ignore[assignment]
    show = staticmethod(format_seconds)  # type: ignore[assignment]
    complaint = "Write a time as in Postfix: 300s, 5m, 4h, 5d or 1h30m."


class LinesField(forms.CharField):
    """A list of texts, one per line; commas separate too. Each is checked by `item_validator`, with its line number."""

    widget = UnfoldAdminTextareaWidget

    def __init__(self, *, item_validator: Callable[[str], None], **options: Any) -> None:
        super().__init__(**options)
        self.item_validator = item_validator

    def to_python(self, value: Any) -> list[str]:  # type: ignore[override]
        if isinstance(value, list):
            return value
        return list(dict.fromkeys(_items(str(value or ""))))

    def validate(self, value: Any) -> None:
        super().validate(value)
        problems = [message for item in value for message in self._complaints(item)]
        if problems:
            raise ValidationError(problems)

    def run_validators(self, value: Any) -> None:
        """The list as a whole has no further rules: its items were checked."""

    def _complaints(self, item: str) -> list[str]:
        try:
            self.item_validator(item)
        except ValidationError as error:
            return [f"{item}: {message}" for message in error.messages]
        return []

    def prepare_value(self, value: Any) -> Any:
        return "\n".join(value) if isinstance(value, list | tuple) else value

    def has_changed(self, initial: Any, data: Any) -> bool:
        return list(initial or []) != self.to_python(data)


class NetworksField(LinesField):
    """Networks in CIDR notation or single addresses, one per line; as they are stored."""

    def __init__(self, **options: Any) -> None:
        options.setdefault("widget", UnfoldAdminTextareaWidget(attrs={"rows": 3}))
        super().__init__(item_validator=parse_network, required=False, **options)

    def _complaints(self, item: str) -> list[str]:
        return [complaint.removeprefix(f"{item}: ") for complaint in super()._complaints(item)]

    def clean(self, value: Any) -> list[str]:
        return [parse_network(each) for each in super().clean(value)]


def _items(text: str) -> Sequence[str]:
    lines = [line.strip() for line in text.splitlines()]
    # A path after :include: may contain a comma; an address outside quotes may not.
    pieces = [[line] if line.startswith(":include:") or '"' in line else line.split(",") for line in lines]
    return [piece.strip() for group in pieces for piece in group if piece.strip()]
