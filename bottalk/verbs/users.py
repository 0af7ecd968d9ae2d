"""Accounts: made, changed, deleted. Who may join is judged here, for e-mail addresses and scans alike."""

from msgspec.structs import replace

from bottalk.errors import Refused
from bottalk.messages import BindingState, ChangeUser, DeleteUser, ForgetUserLog, Register, ResetKey
from bottalk.newcomers import MOST
from bottalk.store import bindings as binding_rows
from bottalk.store import pushes as push_rows
from bottalk.store import sessions as session_rows
from bottalk.store import users as user_rows
from bottalk.values import Secret, User, UserId
from bottalk.verbs import reminders
from bottalk.verbs.channels import settle_waiting
from bottalk.verbs.draft import Draft

BITE = 1000
"""Rows of a deleted account's log that go in one commit: about 20 ms, so that no push waits long."""

KEY_BYTES = 16
"""A SendKey is twice as many hex characters."""

CLOSED = "注册未开放"
TOO_MANY = "注册过于频繁，请稍后再试"
TAKEN = "该邮箱已注册"
NO_USER = "User not found"
FORBIDDEN = "Forbidden"


def register(draft: Draft, m: Register) -> User:
    """A new account and a login with it. Raises Refused."""
    check_may_join(draft, m.ip, invited=m.invited)
    if draft.user_of_email(m.email) is not None:
        raise Refused(TAKEN)
    user = draft.add_user(
        User(UserId(0), Secret(draft.mint(KEY_BYTES)), created_at=draft.now, email=m.email), came_from=m.ip
    )
    if m.replaces is not None:
        session_rows.delete(draft.connection, m.replaces)
    session_rows.insert(draft.connection, replace(m.session, user_id=user.id))
    return user


def check_may_join(draft: Draft, ip: str, *, invited: bool) -> None:
    """Whether an account may be made for somebody at that address now. Raises Refused."""
    mode = draft.config.registration
    if mode == "closed" or (mode == "invite" and not invited):
        raise Refused(CLOSED, 403)
    if draft.newcomers(ip) >= MOST:
        raise Refused(TOO_MANY, 429)


def change(draft: Draft, m: ChangeUser) -> User:
    """The account as changed. Disabling it ends its sessions. Raises Refused."""
    if m.by is not None:
        by = draft.user(m.by)
        if by is None or by.is_disabled or by.role != "admin":
            raise Refused(FORBIDDEN, 403)
    old = _present(draft, m.user_id)
    new = replace(
        old,
        nickname=old.nickname if m.nickname is None else m.nickname or None,
        strict=old.strict if m.strict is None else m.strict,
        role=old.role if m.role is None else m.role,
        is_disabled=old.is_disabled if m.is_disabled is None else m.is_disabled,
        rate_limit=old.rate_limit if m.rate_limit is None else m.rate_limit,
    )
    if new.is_disabled:
        session_rows.delete_of_user(draft.connection, new.id)
    if new != old:
        draft.put_user(new)
    return new


def reset_key(draft: Draft, m: ResetKey) -> User:
    """The account with a new SendKey. Raises Refused."""
    user = replace(_present(draft, m.user_id), send_key=Secret(draft.mint(KEY_BYTES)))
    draft.put_user(user)
    _forget_results(draft, user.id)  # a code answered with the old key just now must not show it again
    return user


def delete(draft: Draft, m: DeleteUser) -> None:
    """The account and all it owns, in one commit; a second time changes nothing. The newest of its log goes at once."""
    if draft.user(m.user_id) is None:
        return
    for reminder in draft.reminders_of(m.user_id):
        reminders.remove(draft, reminder.id)
    for channel in draft.channels_of(m.user_id):
        settle_waiting(draft, channel.id, push_rows.waiting(draft.connection, channel.id))
    session_rows.delete_of_user(draft.connection, m.user_id)
    _end_codes(draft, m.user_id)
    draft.remove_user(m.user_id)
    forget_log(draft, ForgetUserLog(m.user_id))


def forget_log(draft: Draft, m: ForgetUserLog) -> int:
    """One bite of a deleted account's log; how many rows that were."""
    count = user_rows.delete_log(draft.connection, m.user_id, BITE)
    if count < BITE:
        draft.mine.forgotten_users.append(m.user_id)
    return count


def _present(draft: Draft, user_id: UserId) -> User:
    user = draft.user(user_id)
    if user is None:
        raise Refused(NO_USER, 404)
    return user


def _end_codes(draft: Draft, user_id: UserId) -> None:
    """Codes that the account asked for or that logged it in: a phone that confirms one later is given back."""
    for binding in draft.bindings_of(user_id):
        gone = replace(binding, state=BindingState.EXPIRED, result=None)
        binding_rows.end(draft.connection, gone)
        draft.mine.bindings[gone.code.reveal()] = gone


def _forget_results(draft: Draft, user_id: UserId) -> None:
    user = draft.user(user_id)
    for binding in draft.bindings_of(user_id):
        if user is not None and binding.result is not None and "send_key" in binding.result:
            fresh = replace(binding, result={**binding.result, "send_key": user.send_key.reveal()})
            binding_rows.end(draft.connection, fresh)
            draft.mine.bindings[fresh.code.reveal()] = fresh
