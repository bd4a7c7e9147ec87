"""Floor 3: segments. Definition + what is known of a person -> member or not, and when time alone can change it.

It turns `kind: segment` documents into an order in which segments that speak of others come after them, and a
person's moment into entered and left. Crowds are counted by plan (`crowd`), one person by the compiled condition
(`live`). It never stores a member and never reads a clock. Start with `live.refresh`.
"""
