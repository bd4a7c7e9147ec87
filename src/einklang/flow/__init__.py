"""Floor 3: the token machine. Token + moment -> token', requests, timers.

It turns a journey's definition and one person's run into the run one moment later: which step it stands at, when it
must be looked at again, and which commands (ask the door, set traits) the caller must carry out. It never reads a
clock, never judges a contact and never learns the arm of a control group. Start with `machine.advance`; the form of a
journey is in `definition`.
"""
