"""Which verb writes which message: the whole of what can be written."""

from collections.abc import Callable, Mapping
from typing import Any

from bottalk import messages
from bottalk.verbs import bindings, channels, pushes, sessions
from bottalk.verbs.draft import Draft
from supervisors import Ask

Verb = Callable[[Draft, Any], Any]

VERBS: Mapping[type[Ask[Any]], Verb] = {
    messages.Accept: pushes.accept,
    messages.Settle: pushes.settle,
    messages.Inbound: channels.inbound,
    messages.ChannelDied: channels.died,
    messages.OpenBinding: bindings.open_binding,
    messages.EndBinding: bindings.end,
    messages.Bind: bindings.bind,
    messages.OpenSession: sessions.open_session,
    messages.TouchSession: sessions.touch,
}
