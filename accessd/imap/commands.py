"""THE TABLE: what each command's arguments are, in which states it may run, who runs it, and whether EXPUNGE may be
told in its course (RFC 3501 sections 3, 6 and 7.4.1).

"UID FETCH" and its like are commands of their own here: unlike FETCH, STORE and SEARCH they may report EXPUNGE.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from accessd.imap import command as commands
from accessd.imap.grammar import (
    args_append,
    args_mailboxes,
    args_quota,
    args_search,
    args_selected,
    metadata,
    sharing,
    sorting,
)
from accessd.imap.grammar import command_args as arguments
from accessd.imap.grammar import notify as notify_grammar
from accessd.imap.grammar.cancel import cancel_update as cancel_update_arguments
from accessd.imap.grammar.command_args import ArgumentsParser, no_arguments, until_rev2
from accessd.imap.grammar.multisearch import multi_search as multi_search_arguments
from accessd.imap.handlers.acl import delete_acl, get_acl, list_rights, my_rights, set_acl
from accessd.imap.handlers.any_state import capability, identify, logout, noop
from accessd.imap.handlers.append import append
from accessd.imap.handlers.authenticate import authenticate, login
from accessd.imap.handlers.cancelupdate import cancel_update
from accessd.imap.handlers.close import close
from accessd.imap.handlers.compress import compress
from accessd.imap.handlers.copy_move import copy_or_move
from accessd.imap.handlers.create import create
from accessd.imap.handlers.delete import delete
from accessd.imap.handlers.enable import enable
from accessd.imap.handlers.expunge import expunge
from accessd.imap.handlers.fetch import fetch
from accessd.imap.handlers.idle import idle
from accessd.imap.handlers.list_ import list_, lsub
from accessd.imap.handlers.metadata import get_metadata, set_metadata
from accessd.imap.handlers.multisearch import multi_search
from accessd.imap.handlers.namespace import namespace
from accessd.imap.handlers.notify import notify
from accessd.imap.handlers.quota import get_quota, get_quota_root, set_quota
from accessd.imap.handlers.rename import rename
from accessd.imap.handlers.replace import replace
from accessd.imap.handlers.search import search
from accessd.imap.handlers.select import select
from accessd.imap.handlers.sort import sort
from accessd.imap.handlers.starttls import starttls
from accessd.imap.handlers.status import status
from accessd.imap.handlers.store import store
from accessd.imap.handlers.subscribe import subscribe
from accessd.imap.handlers.thread import thread
from accessd.imap.handlers.unauthenticate import unauthenticate
from accessd.imap.response import Response
from accessd.imap.states import IN_ANY_STATE, IN_AUTHENTICATED, IN_NOT_AUTHENTICATED, IN_SELECTED, State

if TYPE_CHECKING:
    from accessd.imap.session import ImapSession

Handler = Callable[["ImapSession", Any], AsyncGenerator[Response, None]]


@dataclass(frozen=True, slots=True)
class Row:
    """One command."""

    arguments: ArgumentsParser
    states: frozenset[State]
    handler: Handler
    expunge_allowed: bool = True
    looks_at_files: bool = False
    """Does it ask for news, so that the mailbox's folder is looked at too?"""


COMMANDS: dict[str, Row] = {
    "CAPABILITY": Row(no_arguments(commands.Capability()), IN_ANY_STATE, capability),
    "NOOP": Row(no_arguments(commands.Noop()), IN_ANY_STATE, noop, looks_at_files=True),
    "LOGOUT": Row(no_arguments(commands.Logout()), IN_ANY_STATE, logout),
    "ID": Row(arguments.identify, IN_ANY_STATE, identify),
    "STARTTLS": Row(no_arguments(commands.StartTls()), IN_NOT_AUTHENTICATED, starttls),
    "LOGIN": Row(arguments.login, IN_NOT_AUTHENTICATED, login),
    "AUTHENTICATE": Row(arguments.authenticate, IN_NOT_AUTHENTICATED, authenticate),
    "COMPRESS": Row(arguments.compress, IN_AUTHENTICATED, compress),
    "UNAUTHENTICATE": Row(no_arguments(commands.Unauthenticate()), IN_AUTHENTICATED, unauthenticate),
    "ENABLE": Row(arguments.enable, IN_AUTHENTICATED, enable),
    "SELECT": Row(args_selected.select(read_only=False), IN_AUTHENTICATED, select),
    "EXAMINE": Row(args_selected.select(read_only=True), IN_AUTHENTICATED, select),
    "CREATE": Row(args_mailboxes.create, IN_AUTHENTICATED, create),
    "DELETE": Row(args_mailboxes.delete, IN_AUTHENTICATED, delete),
    "RENAME": Row(args_mailboxes.rename, IN_AUTHENTICATED, rename),
    "SUBSCRIBE": Row(args_mailboxes.subscribe(subscribed=True), IN_AUTHENTICATED, subscribe),
    "UNSUBSCRIBE": Row(args_mailboxes.subscribe(subscribed=False), IN_AUTHENTICATED, subscribe),
    "LIST": Row(args_mailboxes.list_, IN_AUTHENTICATED, list_),
    "LSUB": Row(until_rev2(args_mailboxes.lsub), IN_AUTHENTICATED, lsub),
    "NAMESPACE": Row(no_arguments(commands.Namespace()), IN_AUTHENTICATED, namespace),
    "NOTIFY": Row(notify_grammar.notify, IN_AUTHENTICATED, notify),
    "STATUS": Row(args_mailboxes.status, IN_AUTHENTICATED, status),
    "APPEND": Row(args_append.append, IN_AUTHENTICATED, append),
    "REPLACE": Row(args_append.replace, IN_SELECTED, replace),
    "UID REPLACE": Row(args_append.uid_replace, IN_SELECTED, replace),
    "IDLE": Row(no_arguments(commands.Idle()), IN_AUTHENTICATED, idle),
    "GETQUOTA": Row(args_quota.get_quota, IN_AUTHENTICATED, get_quota),
    "GETQUOTAROOT": Row(args_quota.get_quota_root, IN_AUTHENTICATED, get_quota_root),
    "SETQUOTA": Row(args_quota.set_quota, IN_AUTHENTICATED, set_quota),
    "GETACL": Row(sharing.get_acl, IN_AUTHENTICATED, get_acl),
    "SETACL": Row(sharing.set_acl, IN_AUTHENTICATED, set_acl),
    "DELETEACL": Row(sharing.delete_acl, IN_AUTHENTICATED, delete_acl),
    "LISTRIGHTS": Row(sharing.list_rights, IN_AUTHENTICATED, list_rights),
    "MYRIGHTS": Row(sharing.my_rights, IN_AUTHENTICATED, my_rights),
    "GETMETADATA": Row(metadata.get_metadata, IN_AUTHENTICATED, get_metadata),
    "SETMETADATA": Row(metadata.set_metadata, IN_AUTHENTICATED, set_metadata),
    "CHECK": Row(until_rev2(no_arguments(commands.Check())), IN_SELECTED, noop, looks_at_files=True),
    "CLOSE": Row(no_arguments(commands.Close(expunge=True)), IN_SELECTED, close),
    "UNSELECT": Row(no_arguments(commands.Close(expunge=False)), IN_SELECTED, close),
    "EXPUNGE": Row(no_arguments(commands.Expunge()), IN_SELECTED, expunge),
    "UID EXPUNGE": Row(args_selected.uid_expunge, IN_SELECTED, expunge),
    "SEARCH": Row(args_search.search(by_uid=False), IN_SELECTED, search, expunge_allowed=False),
    "UID SEARCH": Row(args_search.search(by_uid=True), IN_SELECTED, search),
    "ESEARCH": Row(multi_search_arguments, IN_AUTHENTICATED, multi_search),
    "CANCELUPDATE": Row(cancel_update_arguments, IN_SELECTED, cancel_update),
    "SORT": Row(sorting.sort(by_uid=False), IN_SELECTED, sort, expunge_allowed=False),
    "UID SORT": Row(sorting.sort(by_uid=True), IN_SELECTED, sort),
    "THREAD": Row(sorting.thread(by_uid=False), IN_SELECTED, thread, expunge_allowed=False),
    "UID THREAD": Row(sorting.thread(by_uid=True), IN_SELECTED, thread),
    "FETCH": Row(args_selected.fetch(by_uid=False), IN_SELECTED, fetch, expunge_allowed=False),
    "UID FETCH": Row(args_selected.fetch(by_uid=True), IN_SELECTED, fetch),
    "STORE": Row(args_selected.store(by_uid=False), IN_SELECTED, store, expunge_allowed=False),
    "UID STORE": Row(args_selected.store(by_uid=True), IN_SELECTED, store),
    "COPY": Row(args_selected.copy(by_uid=False, move=False), IN_SELECTED, copy_or_move),
    "UID COPY": Row(args_selected.copy(by_uid=True, move=False), IN_SELECTED, copy_or_move),
    "MOVE": Row(args_selected.copy(by_uid=False, move=True), IN_SELECTED, copy_or_move),
    "UID MOVE": Row(args_selected.copy(by_uid=True, move=True), IN_SELECTED, copy_or_move),
}

PARSERS: dict[str, ArgumentsParser] = {name: row.arguments for name, row in COMMANDS.items()}
