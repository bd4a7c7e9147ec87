"""Floor 3: the door. Request + facts + policy -> verdict.

It turns a request for a contact and what is known of the person at that moment into one verdict with a reason:
allowed on a channel, held until a moment, or denied. The gates are one literal list in the order of the contract; the
arm of a control group is looked at only after all of them. It never sends, never reads a clock and never sees the arm
inside a gate. Start with `door.GATES`.
"""
