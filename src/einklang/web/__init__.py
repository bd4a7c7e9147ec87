"""Floor 5: HTTP requests become calls of app's use cases, and their answers become HTTP.

`collect` takes the tracking API in front of the framework, `api` and its parts answer the REST API of the console,
`customer` serves what signed links lead to, `static` the built console, `errors` turns what went wrong into problem
documents. It appends to the log and reads; it never computes on the log, holds no rule of the domain, reads no clock
(`Services.now`) and no chance (`Services.new_token`). Start reading in `app.create_app`, then `collect`.
"""

from einklang.web.app import create_app
from einklang.web.services import Services

__all__ = ["Services", "create_app"]
