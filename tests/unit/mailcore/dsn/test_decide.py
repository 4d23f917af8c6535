"""Whether a report is due."""

from __future__ import annotations

import pytest

from mailcore.address import Address
from mailcore.dsn.decide import Action, is_due
from mailcore.envelope import Recipient

ALICE = Address.parse("alice@here.test")


def to_bob(*notify: str) -> Recipient:
    bob = Address.parse("bob@there.test")
    return Recipient(bob, bob, frozenset(notify))


@pytest.mark.parametrize(
    ("notify", "due"),
    [
        ((), {Action.FAILED, Action.DELAYED}),
        (("NEVER",), set()),
        (("FAILURE",), {Action.FAILED}),
        (("DELAY",), {Action.DELAYED}),
        (("SUCCESS",), {Action.DELIVERED, Action.RELAYED}),
        (("SUCCESS", "FAILURE", "DELAY"), set(Action)),
    ],
)
def test_the_sender_hears_what_it_asked_for(notify, due):
    assert {action for action in Action if is_due(action, ALICE, to_bob(*notify))} == due


@pytest.mark.parametrize("action", list(Action))
def test_the_null_sender_hears_nothing(action):
    assert not is_due(action, None, to_bob("SUCCESS", "FAILURE", "DELAY"))
