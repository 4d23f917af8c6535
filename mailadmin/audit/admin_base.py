"""The base of the panel's model admins: unfold's look, and every change in the audit log.

Django's own LogEntry rows are not written; the audit log replaces them and also knows the API's changes. The
history button of an object leads to its lines there.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from django.contrib import admin
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.views.main import ORDER_VAR
from django.core.paginator import InvalidPage, Paginator
from django.db import models, transaction
from django.db.models import QuerySet
from django.forms import ModelForm
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from unfold.admin import ModelAdmin
from unfold.views import ChangeList

from mailadmin.audit.models import AuditEntry
from mailadmin.audit.record import Actor, record, stored_values, values_of
from mailadmin.counting import COUNTED, SEARCHED, BoundedPaginator, page_of
from mailadmin.search import search


def may_administer(request: HttpRequest) -> bool:
    """One right governs the panel: being an administrator. There are no permissions per table to keep in order."""
    return bool(request.user.is_active and request.user.is_staff)


class BoundedChangeList(ChangeList):
    """A list that costs the same however long its table is (mailadmin.counting)."""

    def get_ordering_field(self, field_name: Any) -> Any:
        """Also for an address that was typed: what is not offered for sorting is not sorted by."""
        return super().get_ordering_field(field_name) if field_name in self.sortable_by else None

    def get_results(self, request: HttpRequest) -> None:
        paginator = self.model_admin.get_paginator(request, self.queryset, self.list_per_page)
        try:
            number = paginator.validate_number(self.page_num)
        except InvalidPage as error:
            raise IncorrectLookupParameters from error
        start = (number - 1) * self.list_per_page
        whole = self.apply_select_related(self.root_queryset)
        self.result_list = page_of(self.queryset, start, start + self.list_per_page, whole)
        self.paginator, self.result_count = paginator, paginator.count
        self.multi_page = self.result_count > self.list_per_page
        # unfold offers "Show all" where the two differ.
        self.full_result_count = None if self.queryset.query.where else self.result_count
        self.show_full_result_count = False
        self.show_admin_actions, self.can_show_all = True, False


class PanelAdmin(ModelAdmin):
    """A model admin whose changes are audited with old and new values, and whose list bears a large table."""

    compressed_fields = False
    warn_unsaved_form = True
    list_filter_sheet = True
    list_per_page = 50
    # How many rows are counted and can be paged to. Fewer where people sort by what has no index.
    list_counted = COUNTED
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    nothing = "Nothing here yet."
    """What an empty list says (unfold/helpers/empty_results.html)."""

    def get_ordering(self, request: HttpRequest) -> tuple[str, ...]:
        """Whoever sorts by something gets that, and not also the order of everything else, which no index has."""
        return () if ORDER_VAR in request.GET else tuple(self.ordering or ())

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return BoundedChangeList

    def get_paginator(self, request: HttpRequest, queryset: Any, per_page: int, *args: Any, **kwargs: Any) -> Paginator:
        paginator = BoundedPaginator(queryset, per_page, *args, **kwargs)
        paginator.limit = min(self.list_counted, SEARCHED) if queryset.query.where else self.list_counted
        return paginator

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """mailadmin.search; it never doubles a row."""
        return search(queryset, search_term, self.get_search_fields(request)), False

    def has_module_permission(self, request: HttpRequest) -> bool:
        return may_administer(request)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return may_administer(request)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return may_administer(request)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return may_administer(request)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return may_administer(request)

    def save_model(self, request: HttpRequest, obj: models.Model, form: ModelForm, change: bool) -> None:
        before = stored_values(obj) if change else {}
        self.store(request, obj, form, change)
        action = AuditEntry.Action.CHANGED if change else AuditEntry.Action.CREATED
        record(Actor.of_request(request), action, obj, before, values_of(obj))

    def store(self, request: HttpRequest, obj: models.Model, form: ModelForm, change: bool) -> None:
        """Write the row; admins with a service function of their own override this."""
        super().save_model(request, obj, form, change)

    def delete_model(self, request: HttpRequest, obj: models.Model) -> None:
        before, actor = values_of(obj), Actor.of_request(request)
        record(actor, AuditEntry.Action.DELETED, obj, before, {})
        self.remove(request, obj)

    def remove(self, request: HttpRequest, obj: models.Model) -> None:
        """Delete the row; admins with a service function of their own override this."""
        super().delete_model(request, obj)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        with transaction.atomic():
            for obj in queryset:
                self.delete_model(request, obj)

    def log_addition(self, request: HttpRequest, obj: Any, message: Any) -> None:
        """Written by save_model."""

    def log_change(self, request: HttpRequest, obj: Any, message: Any) -> None:
        """Written by save_model."""

    def log_deletions(self, request: HttpRequest, queryset: Any) -> None:
        """Written by delete_model."""

    def history_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """The object's lines of the audit log."""
        obj = self.get_object(request, object_id)
        query = {"object_type": str(self.opts.verbose_name), "object_key": str(obj or object_id)}
        return HttpResponseRedirect(f"{reverse('admin:audit_auditentry_changelist')}?{urlencode(query)}")
