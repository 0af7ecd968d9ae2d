"""The journal's verbs: what each message to it writes. A file per noun; `table` names them all.

A verb is `write(draft, message) -> answer`. It runs in the writer's thread inside a savepoint, and tells the draft what
the pictures in memory must take over once the commit stands. It changes nothing else.
"""
