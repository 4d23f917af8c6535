"""Resources that are addressed by a key people know: a domain's name, an address, a network.

PUT creates what is not there (201) and replaces what is (200). Replacing means: writable fields that are missing go
back to their defaults, except write-only ones, so a password stays. Writing twice is the same as writing once, also
when two requests race: who comes second finds what the first made and replaces it. Every change is audited in its
own transaction.
"""

from collections.abc import Mapping
from typing import Any, ClassVar

from django.core.exceptions import FieldDoesNotExist
from django.db import IntegrityError, transaction
from django.db.models import Model, ProtectedError, QuerySet
from rest_framework import mixins
from rest_framework.exceptions import NotFound, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import BaseSerializer, Serializer

from mailadmin.api.base import ApiViewSet
from mailadmin.api.problems import Conflict
from mailadmin.audit.models import AuditEntry
from mailadmin.audit.record import Actor, record, values_of


class NaturalKeyViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, ApiViewSet):
    """List, create, read, replace, change and delete."""

    http_method_names = ["get", "post", "put", "patch", "delete", "head"]
    lookup_field = "key"
    lookup_value_regex = "[^/]+"
    key_field: ClassVar[str]
    # Whether an id is accepted in place of the natural key; an id never creates.
    ids_are_keys: ClassVar[bool] = False

    def normal(self, key: str) -> str:
        """The form in which the database keeps this key."""
        return key.strip().lower()

    def find_by_key(self, key: str) -> QuerySet[Any]:
        """The rows (none or one) with this natural key."""
        return self.get_queryset().filter(**{self.key_field: self.normal(key)})

    def find(self, key: str) -> QuerySet[Any]:
        """The rows (none or one) that `key` of the URL means."""
        return self.get_queryset().filter(pk=int(key)) if self._is_id(key) else self.find_by_key(key)

    def get_object(self) -> Any:
        return self._found(self.find(self._key))

    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        with transaction.atomic():
            return self._save(None, request.data)

    def update(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        try:
            return self._put(request)
        except ProtectedError:
            raise
        except IntegrityError:
            return self._put(request)

    def partial_update(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        with transaction.atomic():
            return self._save(self._found(self._locked()), request.data, partial=True)

    def destroy(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        with transaction.atomic():
            found = self._found(self._locked())
            record(Actor.of_request(request), AuditEntry.Action.DELETED, found, values_of(found), {})
            try:
                self.perform_destroy(found)
            except ProtectedError as error:
                users = ", ".join(sorted({str(row) for row in list(error.protected_objects)[:5]}))
                raise Conflict(f"{found} is still used by {users}.") from error
        return Response(status=204)

    def perform_destroy(self, instance: Model) -> None:
        """Overridden where a deletion is more than one row."""
        instance.delete()

    def body_with_key(self, key: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """The body of a PUT with the key of its URL; a body that names another key is a mistake of the client."""
        named = body.get(self.key_field, key)
        if not isinstance(named, str) or self.normal(named) != self.normal(key):
            raise ValidationError({self.key_field: [f"The address of this request says {key}."]})
        return {**body, self.key_field: key}

    @property
    def _key(self) -> str:
        return str(self.kwargs[self.lookup_url_kwarg or self.lookup_field])

    def _is_id(self, key: str) -> bool:
        return self.ids_are_keys and key.isascii() and key.isdigit() and len(key) < 19

    def _locked(self) -> QuerySet[Any]:
        return self.find(self._key).select_for_update(of=("self",))

    def _found(self, rows: QuerySet[Any]) -> Any:
        found = rows.first()
        if found is None:
            raise NotFound()
        return found

    def _put(self, request: Request) -> Response:
        if not isinstance(request.data, Mapping):
            raise ValidationError("The body must be one JSON object.")
        with transaction.atomic():
            found = self._found(self._locked()) if self._is_id(self._key) else self._locked().first()
            body = request.data if self._is_id(self._key) else self.body_with_key(self._key, request.data)
            if found is not None:
                body = {**_defaults(self.get_serializer(found)), **body}
            return self._save(found, body)

    def _save(self, found: Any, body: Any, *, partial: bool = False) -> Response:
        before = values_of(found)
        serializer: BaseSerializer[Any] = self.get_serializer(found, data=body, partial=partial)
        serializer.is_valid(raise_exception=True)
        saved = serializer.save()
        action = AuditEntry.Action.CHANGED if found else AuditEntry.Action.CREATED
        record(Actor.of_request(self.request), action, saved, before, values_of(saved))
        shown = self.get_queryset().get(pk=saved.pk)
        return Response(self.get_serializer(shown).data, status=200 if found else 201)


def _defaults(serializer: Serializer[Any]) -> dict[str, Any]:
    """What a new object would have in each optional field, as a client would have written it."""
    model = serializer.Meta.model  # type: ignore[attr-defined]
    kept = getattr(serializer.Meta, "kept_on_replace", ())  # type: ignore[attr-defined]
    defaults = {}
    for name, field in serializer.fields.items():
        if field.read_only or field.write_only or field.required or name in kept:
            continue
        try:
            value = model._meta.get_field(field.source).get_default()
        except FieldDoesNotExist:
            continue
        defaults[name] = None if value is None else field.to_representation(value)
    return defaults
