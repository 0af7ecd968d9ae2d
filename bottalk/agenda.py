"""The agenda: every reminder and the next due times, in memory, as committed. Only the journal changes it."""

import heapq
from collections.abc import Iterable

from bottalk.outbox import Wakeup
from bottalk.values import Reminder, ReminderId, UserId


class Agenda:
    """What is due next, from a heap: nothing looks through all reminders. It outlives the actor that fires them."""

    def __init__(self, reminders: Iterable[Reminder] = (), gone: Iterable[ReminderId] = ()) -> None:
        self.wakeup = Wakeup()
        """Set for each change; the reminders actor waits for it."""
        self.gone: set[ReminderId] = set(gone)
        """Deleted reminders that may still have rows in the log."""
        self._reminders: dict[ReminderId, Reminder] = {}
        self._of_user: dict[UserId, dict[ReminderId, None]] = {}
        self._heap: list[tuple[float, ReminderId]] = []
        """Due times; one that its reminder no longer has is passed over when it comes up."""
        for reminder in reminders:
            self.put(reminder)

    def __len__(self) -> int:
        return len(self._reminders)

    def get(self, reminder_id: ReminderId) -> Reminder | None:
        return self._reminders.get(reminder_id)

    def of(self, user_id: UserId) -> list[Reminder]:
        """The account's reminders, newest first."""
        return [self._reminders[reminder_id] for reminder_id in reversed(self._of_user.get(user_id, {}))]

    def planned(self) -> list[Reminder]:
        """Every reminder that will be due some time, in no order."""
        return [reminder for reminder in self._reminders.values() if reminder.next_at is not None]

    def next_at(self) -> float | None:
        """When the next one is due (wall time); None when there is none."""
        while self._heap and not self._is_valid(self._heap[0]):
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else None

    def due(self, now: float, limit: int) -> list[tuple[float, ReminderId]]:
        """At most `limit` of what is due at `now`, the longest due first. It stays until its reminder is changed."""
        found: dict[tuple[float, ReminderId], None] = {}
        while len(found) < limit:
            at = self.next_at()
            if at is None or at > now:
                break
            found[heapq.heappop(self._heap)] = None
        for entry in found:
            heapq.heappush(self._heap, entry)
        return list(found)

    # --- for the journal ---

    def put(self, reminder: Reminder) -> None:
        old = self._reminders.get(reminder.id)
        if old is None:
            self._of_user.setdefault(reminder.user_id, {})[reminder.id] = None
        self._reminders[reminder.id] = reminder
        if reminder.next_at is not None and (old is None or old.next_at != reminder.next_at):
            heapq.heappush(self._heap, (reminder.next_at, reminder.id))
            self._tidy()

    def remove(self, reminder_id: ReminderId) -> None:
        """Forget a deleted reminder; its log may still have to go."""
        old = self._reminders.pop(reminder_id, None)
        if old is None:
            return
        own = self._of_user[old.user_id]
        del own[reminder_id]
        if not own:
            del self._of_user[old.user_id]
        self.gone.add(reminder_id)

    def _is_valid(self, entry: tuple[float, ReminderId]) -> bool:
        reminder = self._reminders.get(entry[1])
        return reminder is not None and reminder.next_at == entry[0]

    def _tidy(self) -> None:
        """Build the heap anew when most of it is of the past: a reminder changed a million times fills no memory."""
        if len(self._heap) > 2 * len(self._reminders) + 64:
            self._heap = [(r.next_at, r.id) for r in self._reminders.values() if r.next_at is not None]
            heapq.heapify(self._heap)
