"""Floor 3: the definition of a message and what is known about a person become a rendered mail, and that becomes bytes.

`message` checks a definition, `mail` renders it (blocks or MJML, CSS inlined, Liquid per person), `links` signs what a
link stands for, `mime` writes the bytes that are archived and handed over. It never fetches anything, never reads a
clock, and never sends out what is half rendered: a missing variable is a `Missing` with a reason, not an empty place.
Start with `mail.render_email`, then `liquid`.
"""
