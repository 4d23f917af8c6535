"""How accounts are made and found."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib.auth.base_user import BaseUserManager

from mailcore.address import Address

if TYPE_CHECKING:
    from mailadmin.directory.models import Account


class AccountManager(BaseUserManager["Account"]):
    """Creates accounts by address; the domain row must exist (or is made for a superuser)."""

    def create_user(self, address: str, password: str | None = None, **fields: Any) -> Account:
        """A new account. Raises AddressSyntaxError, IntegrityError. A None password allows no login."""
        parsed = Address.parse(address)
        account = self.model(address=parsed.key, domain_id=parsed.domain_key, **fields)
        account.set_password(password)
        account.save(using=self._db)
        return account

    def create_superuser(self, address: str, password: str | None = None, **fields: Any) -> Account:
        """An account that may do everything in the panel."""
        return self.create_user(address, password, is_staff=True, is_superuser=True, **fields)

    def get_by_natural_key(self, address: str | None) -> Account:
        """Found however the address was capitalised."""
        return self.get(address=(address or "").strip().lower())
