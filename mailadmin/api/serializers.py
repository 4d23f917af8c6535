"""The base of the resources' serializers: what the database would refuse becomes a sentence beside a field."""

import copy
from typing import Any

from django.core.exceptions import ValidationError as ModelValidationError
from django.db.models import Model
from rest_framework import serializers


class ResourceSerializer(serializers.ModelSerializer):
    """Checks the model's constraints before the database does, and stores through `store`."""

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        candidate = copy.copy(self.instance) if self.instance is not None else self.Meta.model()
        self.apply(candidate, attrs)
        try:
            candidate.clean()
            candidate.validate_constraints()
        except ModelValidationError as error:
            raise serializers.ValidationError(_by_field(error)) from error
        return attrs

    def create(self, validated_data: dict[str, Any]) -> Any:
        return self._stored(self.Meta.model(), validated_data)

    def update(self, instance: Any, validated_data: dict[str, Any]) -> Any:
        return self._stored(instance, validated_data)

    def apply(self, instance: Any, values: dict[str, Any]) -> None:
        """Put validated values into the object; overridden where one follows from another."""
        for name, value in values.items():
            setattr(instance, name, value)

    def store(self, instance: Any) -> None:
        """Write the object; overridden where a service function does more than one row."""
        instance.save()

    def _stored(self, instance: Model, values: dict[str, Any]) -> Model:
        self.apply(instance, values)
        self.store(instance)
        return instance


def _by_field(error: ModelValidationError) -> dict[str, list[str]]:
    return {"non_field_errors" if field == "__all__" else field: found for field, found in error.message_dict.items()}
