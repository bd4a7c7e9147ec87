"""Floor 6: a seeded world with known causal truth.

It turns a seed into a believable German retailer: people, goods, permissions and a year of Segment calls from web, app,
store and phone; and it turns the messages that an Einklang sent into opens, clicks and purchases whose true effect it
knows. It never reads a clock, a file of the tenant or the engine's state: times come in as arguments, chance only from
`numpy.random.Philox`. Start with `world.World`, then `response`; `docs/sim.md` lists what the world looks like.
"""
