"""What went wrong, as a problem document (RFC 9457) with code, place and mend. No traceback ever leaves."""

from __future__ import annotations

import traceback
from http import HTTPStatus
from typing import Any

import msgspec
import structlog
from litestar import Request, Response
from litestar.exceptions import HTTPException, ValidationException

from einklang.app.answers import Problem
from einklang.kernel.errors import EinklangError
from einklang.web.body import RETRY_S, HttpError

_LOG = structlog.get_logger("einklang.web")
PROBLEM = "application/problem+json"
_CODES = {
    400: ("bad_request", "read /api/openapi.json for what this address takes"),
    401: ("no_session", "sign in, or send a server key: Authorization: Bearer sk_..."),
    403: ("not_allowed", "ask somebody who may"),
    404: ("not_found", "see /api/openapi.json for the addresses"),
    405: ("wrong_method", "see /api/openapi.json for the methods"),
    413: ("too_large", "send less at once"),
    415: ("wrong_type", "send Content-Type: application/json"),
    429: ("overloaded", "send again a little later"),
    500: ("our_fault", "the fault is logged; einklang doctor tells more"),
}


def problem(status: int, code: str, detail: str, *, where: str = "", mend: str = "") -> Problem:
    """A problem document."""
    title = HTTPStatus(status).phrase
    return Problem(f"/errors/{code}", title, status, code, detail, where, mend)


def encoded(found: Problem) -> bytes:
    """Its JSON. Half characters, as a sender may have put them into a path, become `?`."""
    try:
        return msgspec.json.encode(found)
    except UnicodeEncodeError:
        fields = {
            k: v.encode("utf-8", "replace").decode() if isinstance(v, str) else v for k, v in _fields(found).items()
        }
        return msgspec.json.encode(fields)


def _fields(found: Problem) -> dict[str, Any]:
    return {name: getattr(found, name) for name in found.__struct_fields__}


def headers_of(status: int, retry_s: int = RETRY_S) -> dict[str, str]:
    """Headers that a status calls for."""
    return {"Retry-After": str(retry_s)} if status in (429, 503) else {}


def answer(found: Problem, retry_s: int = RETRY_S) -> Response[bytes]:
    """The problem as an answer of the framework."""
    headers = headers_of(found.status, retry_s)
    return Response(encoded(found), status_code=found.status, media_type=PROBLEM, headers=headers)


def of_ours(_: Request[Any, Any, Any], error: EinklangError) -> Response[bytes]:
    """An error of the kernel's tree."""
    return answer(problem_of(error), error.retry_s if isinstance(error, HttpError) else RETRY_S)


def problem_of(error: EinklangError) -> Problem:
    """The problem document of an error."""
    status = 429 if error.code == "overloaded" else error.status
    return problem(status, str(error.code), error.what, where=error.where, mend=error.mend)


def of_framework(_: Request[Any, Any, Any], error: HTTPException) -> Response[bytes]:
    """What the framework refuses: unknown address, wrong method, a query or body that does not fit."""
    status = error.status_code
    code, mend = _CODES.get(status, _CODES[400] if status < 500 else _CODES[500])
    where, detail = "", HTTPStatus(status).phrase if status >= 500 else str(error.detail)
    if isinstance(error, ValidationException):
        where, detail = _place(error, detail)
    result = answer(problem(status, code, detail, where=where, mend=mend))
    for name, value in (error.headers or {}).items():
        result.set_header(name, value)
    return result


def _place(error: ValidationException, detail: str) -> tuple[str, str]:
    extra = error.extra
    found = extra[0] if isinstance(extra, list) and extra and isinstance(extra[0], dict) else {}
    where = ".".join(str(getattr(found[part], "value", found[part])) for part in ("source", "key") if found.get(part))
    return where, str(found.get("message") or detail.split(" for ")[0])


def of_anything(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    """A fault of ours: logged whole, told briefly."""
    lines = "".join(traceback.format_exception(error))
    _LOG.error("fault", method=request.method, route=request.scope["path"].split("/")[1:3], traceback=lines)
    code, mend = _CODES[500]
    return answer(problem(500, code, "something went wrong inside", mend=mend))
