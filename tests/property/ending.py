"""How a life ends: all is well again, and whoever waits is helped until nothing waits any more."""

import trio

from bottalk.delivery.window import State, state
from tests.property.life import Life, Phone
from tests.property.steps import Switch


async def heal(life: Life) -> None:
    """No fault any more: the disk has room, iLink answers, accounts are enabled, dead channels are scanned again,
    parked ones started."""
    stage, sandbox = life.stage, life.stage.sandbox
    stage.bugs.clear()
    stage.run.disk.is_full = False
    sandbox.disarm()
    for phone in life.phones:
        sandbox.silent_drop(phone.user, False)
        sandbox.backlog(phone.user, False)
        life.switch(phone, Switch(phone.number, "cured"))
    await _start_parked(life)  # a parked one does not know whether its session is dead
    await trio.sleep(200)  # whatever hangs has given up, whoever is dead knows it
    directory = stage.daemon.pictures.directory
    for user in list(directory.users()):
        if user.is_disabled:
            await life.turn(user.id, is_disabled=False)
    for phone in life.phones:
        channel, session = life.channel(phone), sandbox.session(phone.user)
        is_served = session is not None and channel is not None and session.token == channel.bot_token.reveal()
        if channel is not None and not (is_served and channel.is_live):
            await life.bind(phone, None)
    await _start_parked(life)
    await trio.sleep(60)
    life.note_channels()


async def _start_parked(life: Life) -> None:
    daemon = life.stage.daemon
    for channel_id in daemon.channels.parked():
        await daemon.services.channels.restart(channel_id)


async def drain(life: Life, hours: float = 12) -> None:
    """People write whenever their window needs it; then nothing waits any more."""
    stage = life.stage
    until = trio.current_time() + hours * 3600
    while trio.current_time() < until:
        waiting = [phone for phone in life.phones if _waits(life, phone)]
        if not waiting:
            return
        for phone in waiting:
            _help(life, phone)
        await trio.sleep(100)
    for phone in life.phones:
        if _waits(life, phone):
            stage.breach(f"something waits for ever for {phone.number}: {life.channel(phone)}")


def _waits(life: Life, phone: Phone) -> bool:
    channel = life.channel(phone)
    return channel is not None and life.stage.daemon.pictures.outboxes.depth(channel.id) > 0


def _help(life: Life, phone: Phone) -> None:
    """Write, where that opens the window; or let the time pass until a delayed row may go."""
    stage, channel = life.stage, life.channel(phone)
    if channel is None:
        return
    now = stage.clock.now()
    if state(channel.window, now, stage.config.delivery) is not State.OPEN:
        stage.sandbox.write(phone.user, f"at {now}")
    times = [row.not_before or 0.0 for row in stage.daemon.pictures.outboxes.of(channel.id)]
    if min(times, default=0.0) > now:
        stage.sleep_machine(min(times) - now)
