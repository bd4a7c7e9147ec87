"""Floor 4: use cases, the tick and the ports.

It joins what the sciences need from each other and turns pending log entries and due timers into a write set: the way
of an event, stations 1 to 9. It never opens a file or a socket and never reads a clock: stores and channels come in
through the Protocols of `ports`, now is an argument. Start with `tick.Engine.step`, which reads like the table in
docs/architecture.md.
"""
