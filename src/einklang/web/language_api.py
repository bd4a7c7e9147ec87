"""The REST API of the language: one expression as text, tree and plain words, for builders."""

from __future__ import annotations

from typing import Any

from litestar import Request, Response, get, post
from litestar.datastructures import State

from einklang.app import language
from einklang.kernel.limits import DEFINITION_BYTES_MAX
from einklang.web.api import READ, wired
from einklang.web.body import unpack
from einklang.web.sources_api import body_of


@get("/api/expressions/schema", opt=READ, sync_to_thread=True)
def expression_schema(state: State) -> dict[str, Any]:
    """JSON Schema (2020-12) of the tree of an expression, with every function that may be called."""
    return language.schema()


@post("/api/expressions", opt=READ, status_code=200)
async def expression(request: Request[Any, Any, Any], state: State) -> Response[bytes]:
    """An expression in all its forms: send {"text"}, {"tree"} or {"words", "language"}; nothing is stored.

    The answer has text, tree and words in German and English, the type, what it reads, an estimate of its cost, hints;
    or `fault`: what is wrong, where, what was expected, the nearest known name and the mend.
    """
    found = wired(state)
    body = unpack(dict(request.scope["headers"]), await request.body(), DEFINITION_BYTES_MAX)
    asked = body_of(body, language.Asked)
    return await found.once.done(request, body, lambda: language.expression(found.in_force(), asked))


ROUTES = (expression_schema, expression)
