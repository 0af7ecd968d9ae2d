"""The sandbox's rules, pure: no trio, no clock, no random source of their own; `now` and `rng` come in as arguments."""
