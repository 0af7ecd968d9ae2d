"""What happens to a push, as pure functions over small values: no I/O, no trio, no clock, no random source of its own.

`window` is our forecast of what iLink still takes, `pacing` says when the next message may go, `digest` what it says,
`verdict` what a refusal means, `retry` and `breaker` how faults are met. The channel actor only executes this.
"""
