"""A little of `make fuzz`, always the same inputs, so that a failure is there again."""

import pytest

from tests.fuzz import grammar, mime


def test_transcripts_are_understood_as_they_are() -> None:
    """Else the inputs would be broken before they are broken on purpose."""
    data = b"".join(grammar.commands())

    events = grammar.answered([data], grammar.AFTER_LOGIN, 0, accepts=1.0)

    understood = [event for event in events if isinstance(event, str) and event.startswith("CommandReceived")]
    assert len(understood) > 0.6 * len(grammar.commands())
    assert any(isinstance(event, bytes) for event in events)


@pytest.mark.parametrize("first", range(0, 400, 100))
def test_broken_dialogues_do_no_harm(first: int) -> None:
    for seed in range(first, first + 100):
        grammar.check(seed)


def test_broken_messages_do_no_harm() -> None:
    for seed in range(150):
        mime.check(seed)
