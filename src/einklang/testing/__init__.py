"""Floor 6: what shows that a store, a channel or a port keeps its promises, shipped with the package for whoever writes another.

It turns a factory into a list of checks (`book_suite`, `lake_suite`) and a recorded run into the states that a power cut could
have left (`powercut`). It never runs in production and knows no test runner: a check is a function that asserts. Start with
`book_suite`.
"""
