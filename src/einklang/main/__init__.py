"""Floor 7: the command line, the settings and the wiring. The only room with a real clock and real chance.

It turns arguments and environment into calls of app's use cases: opens the Book and the lake, sets up channels,
starts the server, and prints what came of it. It holds no rule of the domain. Start with `cli.build_parser`, then
`home.Home`.
"""
