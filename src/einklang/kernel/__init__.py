"""Floor 1: ids, time, errors, reasons and limits, from the standard library alone.

It turns text into moments and durations, identifiers and a salt into ids and hashes, and faults into one-line errors.
It never reads a clock, chance, a file or a socket: whoever needs *now* passes it in. Start with `time`, then `ids`.
"""
