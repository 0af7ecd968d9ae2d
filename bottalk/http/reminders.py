"""`/api/reminders`: texts that come at their time."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from msgspec import Meta, Struct

from bottalk.clock import utc_text, utc_text_or_none
from bottalk.http import answers
from bottalk.http.answers import Answer, Done, Failed, Ok
from bottalk.http.endpoints import Access, Call, Endpoint, NoForm, Reply
from bottalk.http.ids import number
from bottalk.service.reminders import NOT_FOUND, BadReminder, ReminderForm, Reminders, note
from bottalk.values import Reminder, ReminderId, ReminderType

Title = Annotated[str, Meta(max_length=200)]
Message = Annotated[str, Meta(max_length=10_000)]
Time = Annotated[str, Meta(max_length=100)]
Count = Annotated[int, Meta(ge=0, le=1_000_000_000)]
ChannelSpec = Annotated[str, Meta(max_length=1000)]


class NewReminder(Struct, frozen=True):
    """A new one needs `title` and `time`; a changed one, what is to change."""

    title: Title | None = None
    time: Annotated[
        Time | None,
        Meta(
            description="`HH:MM`, `YYYY-MM-DDTHH:MM`, or five cron fields for the type `cron`; in the daemon's zone.",
        ),
    ] = None
    message: Message | None = None
    type: Annotated[
        Annotated[str, Meta(max_length=20)] | None,
        Meta(description=f"{', '.join(ReminderType)}; once where none is given."),
    ] = None
    max_count: Annotated[Count | None, Meta(description="Disables itself after so many; 0: no limit.")] = None
    channel: Annotated[
        ChannelSpec | None, Meta(description="As on a push; empty: the default channel at that time.")
    ] = None


class Enable(Struct, frozen=True):
    enabled: bool


class ReminderView(Struct, frozen=True):
    """The contract's reminder object."""

    id: int
    user_id: int
    title: str
    message: str
    time: str
    type: str
    enabled: int
    send_count: int
    max_count: int
    created_at: str
    next_at: str | None
    channel: str
    note: str | None = None


class Created(Struct, frozen=True):
    id: int
    data: ReminderView
    success: bool = True
    note: str | None = None


EXAMPLE = ReminderView(
    1, 1, "喝水", "该喝水了", "09:30", "daily", 1, 0, 0, "2026-11-24 00:00:00", "2026-11-25 01:30:00", ""
)
EXAMPLES: Mapping[Any, Mapping[str, Any]] = {
    NewReminder: {"title": "喝水", "message": "该喝水了", "time": "09:30", "type": "daily"},
    Enable: {"enabled": True},
}
WRONG = Reply(200, "bad title, time, type or count", Failed, Failed("time 必须是 HH:MM 或 YYYY-MM-DDTHH:MM"))
MISSING = Reply(200, "not yours, or not there", Failed, Failed(NOT_FOUND))


def endpoints(reminders: Reminders) -> Sequence[Endpoint[Any]]:
    async def every(call: Call[NoForm]) -> Answer:
        return answers.ok([shown(reminder) for reminder in reminders.list(call.user.id)])

    async def create(call: Call[NewReminder]) -> Answer:
        try:
            made = shown(await reminders.create(call.user.id, _form(call.form)))
        except BadReminder as e:
            return answers.failed(e.text)
        return answers.encoded(Created(made.id, made, note=made.note))

    async def change(call: Call[NewReminder]) -> Answer:
        try:
            changed = await reminders.change(call.user.id, _id(call), _form(call.form))
        except BadReminder as e:
            return answers.failed(e.text)
        return answers.failed(NOT_FOUND) if changed is None else answers.ok(shown(changed))

    async def delete(call: Call[NoForm]) -> Answer:
        found = await reminders.delete(call.user.id, _id(call))
        return answers.encoded(Done()) if found else answers.failed(NOT_FOUND)

    async def enable(call: Call[Enable]) -> Answer:
        try:
            found = await reminders.enable(call.user.id, _id(call), call.form.enabled)
        except BadReminder as e:
            return answers.failed(e.text)
        return answers.encoded(Done()) if found else answers.failed(NOT_FOUND)

    def at(method: str, path: str, summary: str, handle: Any, form: Any, *replies: Reply) -> Endpoint[Any]:  # noqa: ANN401
        return Endpoint(
            method,
            f"/api/reminders{path}",
            summary,
            handle,
            form,
            replies,
            access=Access.SESSION,
            tag="reminders",
            example=EXAMPLES.get(form),
        )

    one = Reply(200, "the reminder", Ok[ReminderView], Ok(EXAMPLE))
    done = Reply(200, "done", Done, Done())
    return (
        at(
            "GET",
            "",
            "Own reminders, newest first",
            every,
            NoForm,
            Reply(200, "all", Ok[list[ReminderView]], Ok([EXAMPLE])),
        ),
        at(
            "POST", "", "A new reminder", create, NewReminder, Reply(200, "stored", Created, Created(1, EXAMPLE)), WRONG
        ),
        at("PATCH", "/{id}", "Change what is given", change, NewReminder, one, WRONG, MISSING),
        at("DELETE", "/{id}", "Delete it with its log", delete, NoForm, done, MISSING),
        at("PATCH", "/{id}/enable", "Switch it on or off", enable, Enable, done, WRONG, MISSING),
    )


def shown(reminder: Reminder) -> ReminderView:
    return ReminderView(
        id=reminder.id,
        user_id=reminder.user_id,
        title=reminder.title,
        message=reminder.message,
        time=reminder.time,
        type=reminder.type.value,
        enabled=int(reminder.enabled),
        send_count=reminder.send_count,
        max_count=reminder.max_count,
        created_at=utc_text(reminder.created_at),
        next_at=utc_text_or_none(reminder.next_at),
        channel=reminder.channel,
        note=note(reminder),
    )


def _form(form: NewReminder) -> ReminderForm:
    return ReminderForm(form.title, form.time, form.message, form.type, form.max_count, form.channel)


def _id(call: Call[Any]) -> ReminderId:
    return ReminderId(number(call.path["id"]))
