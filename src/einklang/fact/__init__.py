"""Floor 2: the shared nouns, and every column.

It turns nothing into anything: it names what crosses rooms. `person` holds the state of one person and of one run of a
journey, `moment` the request that a step makes and the verdict that the door gives, `columns` every column of the
Book and the lake with type, unit and privacy class. It never computes a rule; each science has its own. Start with
`person`.
"""
