"""Which verb writes which message: the whole of what can be written."""

from collections.abc import Callable, Mapping
from typing import Any

from bottalk import messages
from bottalk.values import Command
from bottalk.verbs import bindings, channels, housekeeping, imports, pushes, reminders, sessions, telling, users
from bottalk.verbs.draft import Draft
from supervisors import Ask

Verb = Callable[[Draft, Any], Any]

VERBS: Mapping[type[Ask[Any]], Verb] = {
    messages.Accept: pushes.accept,
    messages.Settle: pushes.settle,
    messages.Inbound: channels.inbound,
    messages.ChannelDied: channels.died,
    messages.ChangeChannel: channels.change,
    messages.RemoveChannel: channels.remove,
    messages.DropRows: channels.drop,
    messages.MoveRows: channels.move,
    messages.ImportAccounts: imports.accounts,
    messages.ImportLogs: imports.logs,
    messages.OpenBinding: bindings.open_binding,
    messages.EndBinding: bindings.end,
    messages.Bind: bindings.bind,
    messages.OpenSession: sessions.open_session,
    messages.TouchSession: sessions.touch,
    messages.CloseSession: sessions.close,
    messages.Register: users.register,
    messages.ChangeUser: users.change,
    messages.ResetKey: users.reset_key,
    messages.DeleteUser: users.delete,
    messages.ForgetUserLog: users.forget_log,
    messages.CreateReminder: reminders.create,
    messages.ChangeReminder: reminders.change,
    messages.EnableReminder: reminders.enable,
    messages.DeleteReminder: reminders.delete,
    messages.FireReminder: reminders.fire,
    messages.ReplanReminders: reminders.replan,
    messages.ForgetReminderLog: reminders.forget_log,
    messages.SettleOver: housekeeping.settle_over,
    messages.ForgetSettled: housekeeping.forget_settled,
    messages.ForgetPassing: housekeeping.forget_passing,
    messages.EmptyTexts: housekeeping.empty_texts,
    messages.EmptyLinked: housekeeping.empty_linked,
    messages.Nudge: telling.nudge,
    messages.Notice: telling.notice,
}

SETTLING: frozenset[type[Ask[Any]]] = frozenset(
    {
        messages.DropRows,
        messages.MoveRows,
        messages.DeleteReminder,
        messages.DeleteUser,
        messages.SettleOver,
    }
)
"""Verbs that settle or move rows of running actors."""


def settles(message: Ask[Any]) -> bool:
    """Whether its verb settles rows of running actors: none of these takes rows in hand while it is written."""
    if isinstance(message, messages.Inbound):
        return any(one.command is Command.CLEAR for one in message.messages)
    return type(message) in SETTLING
