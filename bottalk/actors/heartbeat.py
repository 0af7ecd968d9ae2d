"""What is seen of a channel's actor from outside. It outlives the actor, so that a restart does not hide an outage."""

from dataclasses import dataclass

from bottalk.values import ChannelId, Secret


@dataclass(slots=True)
class Heartbeat:
    """Written by one channel's actor, read by status and health. Ages are on trio's clock, `since` on the wall's."""

    started_at: float | None = None
    """When the present actor started, trio's clock; None when none runs."""
    polled_at: float | None = None
    """When a poll last finished, which means: was answered. Trio's clock."""
    poll_failures: int = 0
    """Failed polls since."""
    retrying_since: float | None = None
    """Since when sends fail for faults that are not the window's. Wall time."""
    next_try_at: float = 0.0
    """No send but an urgent one before this, after a fault that is not the window's. Trio's clock."""
    next_urgent_at: float = 0.0
    """As `next_try_at`, for urgent ones."""
    rest_until: float = 0.0
    """No send at all before this: iLink asks for silence, or a verdict is being confirmed. Trio's clock."""
    last_error: str = ""
    """The last failed call, in words that are safe to show."""
    token: Secret | None = None
    """Of the binding that this was seen of."""

    def begin(self, token: Secret, now: float) -> None:
        """An actor starts. What was seen of an older binding says nothing of this one. `now`: trio's clock."""
        if self.token != token:
            self.forget()
            self.token = token
        self.started_at = now

    def forget(self) -> None:
        """The binding is over: the next one is judged by its own polls and sends."""
        self.polled_at = self.retrying_since = None
        self.next_try_at = self.next_urgent_at = self.rest_until = 0.0
        self.poll_failures, self.last_error = 0, ""

    def seconds_since_poll(self, now: float) -> float | None:
        """Seconds since the last finished poll, or since the start when there was none; None when no actor runs."""
        if self.started_at is None:
            return None
        return now - (self.started_at if self.polled_at is None else self.polled_at)


class Heartbeats:
    """The heartbeat of each channel, made when first asked for."""

    def __init__(self) -> None:
        self._of: dict[ChannelId, Heartbeat] = {}

    def of(self, channel_id: ChannelId) -> Heartbeat:
        heartbeat = self._of.get(channel_id)
        if heartbeat is None:
            heartbeat = self._of[channel_id] = Heartbeat()
        return heartbeat

    def greatest_age(self, now: float) -> float:
        """The greatest `seconds_since_poll`; 0 when no actor runs."""
        begun = [
            beat.started_at if beat.polled_at is None else beat.polled_at
            for beat in self._of.values()
            if beat.started_at is not None
        ]
        return max(0.0, now - min(begun)) if begun else 0.0

    def suspects(self, now: float, overdue: float) -> list[ChannelId]:
        """The channels whose sends are being retried, or whose `seconds_since_poll` are `overdue` or more: a loop
        without calls, so that ten thousand can be looked at each second."""
        return [
            channel_id
            for channel_id, beat in self._of.items()
            if beat.retrying_since is not None
            or (
                beat.started_at is not None
                and now - (beat.started_at if beat.polled_at is None else beat.polled_at) >= overdue
            )
        ]
