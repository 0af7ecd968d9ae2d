"""Every message that actors take, a file per noun. Values only: what comes of one is its receiver's business."""

from bottalk.messages.accounts import ChangeUser, DeleteUser, ForgetUserLog, Register, ResetKey
from bottalk.messages.bindings import AskForCode, Bind, Binding, BindingState, EndBinding, NewCode, OpenBinding
from bottalk.messages.channels import (
    ChangeChannel,
    ChannelDied,
    DeleteChannel,
    DropRows,
    Inbound,
    InboundMessage,
    RemoveChannel,
    RemoveUser,
    RestartChannel,
    UserChanged,
)
from bottalk.messages.pushes import Accept, Accepted, Listener, SendEvent, Settle
from bottalk.messages.ratelimit import Spend, Spent
from bottalk.messages.reminders import (
    ChangeReminder,
    CreateReminder,
    DeleteReminder,
    EnableReminder,
    FireReminder,
    Firing,
    ForgetReminderLog,
    ReplanReminders,
)
from bottalk.messages.sessions import CloseSession, OpenSession, Session, TouchSession

__all__ = [
    "Accept",
    "Accepted",
    "AskForCode",
    "Bind",
    "Binding",
    "BindingState",
    "ChangeChannel",
    "ChangeReminder",
    "ChangeUser",
    "ChannelDied",
    "CloseSession",
    "CreateReminder",
    "DeleteChannel",
    "DeleteReminder",
    "DeleteUser",
    "DropRows",
    "EnableReminder",
    "EndBinding",
    "FireReminder",
    "Firing",
    "ForgetReminderLog",
    "ForgetUserLog",
    "Inbound",
    "InboundMessage",
    "Listener",
    "NewCode",
    "OpenBinding",
    "OpenSession",
    "Register",
    "RemoveChannel",
    "RemoveUser",
    "ReplanReminders",
    "ResetKey",
    "RestartChannel",
    "SendEvent",
    "Session",
    "Settle",
    "Spend",
    "Spent",
    "TouchSession",
    "UserChanged",
]
