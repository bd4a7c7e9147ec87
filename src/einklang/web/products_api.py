"""The REST API of one product: read at a moment, put as a whole."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any

import msgspec
from litestar import Request, Response, get, put
from litestar.datastructures import State
from litestar.params import FromQuery

from einklang.app import queries_products as queries
from einklang.app.apply import Body
from einklang.app.products import no_amount, shaped
from einklang.event import EngineCall, body_of
from einklang.kernel.errors import InputError
from einklang.kernel.limits import EVENT_BYTES_MAX, IDENTIFIER_CHARS_MAX
from einklang.kernel.time import parse_moment
from einklang.web.access import principal
from einklang.web.api import READ, WRITE, Id, plain, wired
from einklang.web.body import unpack
from einklang.web.encode import encode

_FIELDS = msgspec.json.Decoder(dict[str, Any], float_hook=Decimal)


class Put(msgspec.Struct):
    """A product that is in the log; the next tick puts it in force."""

    product_id: str


@get("/api/products/{product_id:str}", opt=READ, sync_to_thread=True)
def product(state: State, product_id: Id, at: FromQuery[str] = "") -> queries.ProductRecord:
    """One product; `at`: the moment whose price is told, now if left out."""
    services = wired(state).services
    now = parse_moment(at) if at else services.now()
    with services.book.snapshot() as reader:
        return queries.product(reader, plain(product_id), now)


@put("/api/products/{product_id:str}", opt=WRITE, status_code=200)
async def put_product(request: Request[Any, Any, Any], state: State, product_id: Id) -> Response[bytes]:
    """Put a product: the whole record as JSON. What was there before is gone; answered once durable."""
    services = wired(state).services
    key = plain(product_id).strip()
    if not key or len(key) > IDENTIFIER_CHARS_MAX:
        raise InputError("bad_product", "not an id", where="id", mend=f"use 1 to {IDENTIFIER_CHARS_MAX} characters")
    body = unpack(dict(request.scope["headers"]), await request.body(), EVENT_BYTES_MAX)
    try:
        fields = _FIELDS.decode(body)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise InputError("bad_body", str(error), where="body", mend="send the record as a JSON object") from error
    if str(fields.pop("product_id", key)) != key:
        raise InputError("bad_product", "the record has another id", where="product_id", mend="leave it out")
    now = services.now()
    record = {**shaped(fields), "product_id": key, "key": key}
    if name := no_amount(record):
        raise InputError("bad_product", "not a number", where=name, mend="write it as 19.99")
    call = EngineCall(type="row", event="products", properties=record, at=now)
    call.messageId = f"product-{services.new_token()}"
    blob = Body(1, now, principal(request).removeprefix("source:"), "row", body_of([call]))
    await asyncio.wrap_future(services.book.append_later([blob]))
    services.wake()
    return Response(encode(Put(key)), status_code=200, media_type="application/json")


ROUTES = (product, put_product)
