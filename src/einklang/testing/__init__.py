"""Floor 6: what shows that a store, a channel or a port keeps its promises, shipped for whoever writes another.

It turns a factory into a list of checks (`book_suite`, `lake_suite`), a recorded run into the states that a power
cut could have left (`powercut`), a home into canonical text (`canonical`) and its log into the state again (`rebuild`,
which `einklang verify` uses). It never changes a home and knows no test runner: a check is a function that asserts.
Start with `book_suite`.
"""
