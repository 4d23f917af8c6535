"""What a status code means, in a sentence for people who do not know what a status code is (RFC 3463)."""

from __future__ import annotations

from mailcore.dsn.decide import Action
from mailcore.reply import Reply

_BY_DETAIL = {
    "1.1": "There is no mailbox of that name. Please check the part before the @ for typing errors.",
    "1.2": "There is no such mail domain. Please check the part after the @ for typing errors.",
    "1.3": "The address is not written as an address must be. Please check it for typing errors.",
    "1.6": "The mailbox has moved, and its new address is not known.",
    "1.10": "That domain has declared that it takes no mail at all.",
    "2.1": "The mailbox is switched off and takes no mail.",
    "2.2": "The mailbox is full. Its owner has to make room before it can take more.",
    "2.3": "The message is too large for this mailbox.",
    "3.4": "The message is too large for the other mail server.",
    "4.1": "The other mail server could not be reached.",
    "4.2": "The connection to the other mail server broke off.",
    "4.3": "It could not be found out which mail server is responsible for that address.",
    "4.4": "No mail server could be found for that address.",
    "4.6": "The mail would have gone round in circles between servers.",
    "4.7": "The message waited as long as it may and could not be delivered in that time.",
    "6.7": "The address has international characters which the other mail server cannot handle.",
    "7.1": "The other mail server refused the message because of its rules.",
    "7.26": "The other mail server refused the message because it could not verify the sender.",
}
_BY_SUBJECT = {
    "1": "The address was not accepted.",
    "2": "The mailbox cannot take the message.",
    "3": "The other mail server cannot take the message.",
    "4": "There was a problem on the way to the other mail server.",
    "5": "The two mail servers did not understand each other.",
    "6": "The other mail server cannot handle the content of the message.",
    "7": "The other mail server refused the message because of its rules.",
}
_HAPPY = {
    Action.DELIVERED: "It was put into the mailbox.",
    Action.RELAYED: "It was handed to the next mail server, which does not report what becomes of it.",
}


def status_of(reply: Reply) -> str:
    """The enhanced status code, or the most that the basic code says."""
    return reply.enhanced or f"{min(max(reply.code // 100, 2), 5)}.0.0".replace("3.0.0", "2.0.0")


def explain(action: Action, reply: Reply) -> str:
    """One or two plain sentences."""
    if action in _HAPPY:
        return _HAPPY[action]
    _, _, rest = status_of(reply).partition(".")
    sentence = _BY_DETAIL.get(rest) or _BY_SUBJECT.get(rest.partition(".")[0])
    return sentence or "The other mail server did not take the message."
