"""The OpenAPI document: the routes as the framework sees them, and what it cannot see."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from litestar import Litestar
from litestar.openapi import OpenAPIConfig
from litestar.openapi.spec import Components, Reference, SecurityScheme

from einklang.web.access import COOKIE

_KEY_OR_SESSION: list[dict[str, list[str]]] = [{"serverKey": []}, {"session": []}]
#: Who may, as security requirements.
SECURITY: dict[str, list[dict[str, list[str]]]] = {
    "public": [],
    "session": [{"session": []}],
    "server": [{"serverKey": []}],
    "read": _KEY_OR_SESSION,
    "write": _KEY_OR_SESSION,
    "local": _KEY_OR_SESSION,
}
_TEXT = {"type": "string"}
_WORDS = ("type", "title", "code", "detail", "where", "mend")
_PROBLEM = {
    "type": "object",
    "description": "RFC 9457",
    "properties": dict.fromkeys(_WORDS, _TEXT) | {"status": {"type": "integer"}},
    "required": [*_WORDS, "status"],
}
_BATCH = {
    "type": "object",
    "required": ["batch"],
    "properties": {
        "batch": {"type": "array", "items": {"type": "object", "additionalProperties": True}},
        "sentAt": _TEXT,
    },
}
_EXPRESSION = {
    "type": "object",
    "properties": {
        "text": {"type": ["string", "null"]},
        "tree": {"description": "as /api/expressions/schema says"},
        "words": {"type": ["string", "null"]},
        "language": {"enum": ["en", "de"]},
        "site": _TEXT,
    },
}
_RATE = {"type": ["integer", "null"], "minimum": 1}
_SOURCE = {
    "type": "object",
    "required": ["id", "name"],
    "properties": {"id": _TEXT, "name": _TEXT, "kind": {"enum": ["write", "server"]}, "events_per_s": _RATE},
}
_ROTATION = {"type": "object", "properties": {"grace_s": {"type": "integer", "minimum": 0}}}
_CODE = {"type": "object", "required": ["code"], "properties": {"code": _TEXT}}
_DRAFT = {
    "type": "object",
    "required": ["ref"],
    "properties": {
        "ref": _TEXT,
        "fields": {"type": "object", "additionalProperties": True},
        "version": {"type": ["integer", "null"]},
        "outcome": {"enum": ["submitted", "discarded", None]},
    },
}
_SIGN_IN = {"type": "object", "required": ["name", "password"], "properties": {"name": _TEXT, "password": _TEXT}}
_REPLAY = {
    "type": "object",
    "properties": {
        "positions": {"type": "array", "items": {"type": "integer"}},
        "code": {"type": "string"},
        "as_new": {"type": "boolean"},
    },
}
_WHY = {"type": "string", "minLength": 1, "maxLength": 500}
_MERGE = {"type": "object", "required": ["other", "why"], "properties": {"other": _TEXT, "why": _WHY}}
_NAMED = {"type": "array", "items": _TEXT, "description": "kind:value of what goes; none: what a merge brought"}
_SPLIT = {"type": "object", "required": ["why"], "properties": {"identifiers": _NAMED, "why": _WHY}}
_REVIEW = {
    "type": "object",
    "required": ["decision", "why"],
    "properties": {"decision": {"enum": ["merge", "keep_apart"]}, "why": _WHY},
}
_NOTE = {
    "type": "object",
    "required": ["stage", "name", "why"],
    "properties": {"stage": _TEXT, "name": _TEXT, "why": _WHY},
}
_UPLOAD = {
    "type": "object",
    "required": ["rows"],
    "properties": {"rows": _TEXT, "action": {"enum": ["add", "remove", "replace"]}, "create": {"type": "boolean"}},
}
_FREEZE = {"type": "object", "required": ["list"], "properties": {"list": _TEXT, "title": {"type": ["string", "null"]}}}
_EXPORT = {
    "type": "object",
    "required": ["purpose"],
    "properties": {
        "columns": {"type": "array", "items": _TEXT},
        "format": {"enum": ["csv", "parquet"]},
        **dict.fromkeys(("purpose", "channel"), _TEXT),
    },
}
_NOTHING = {"type": "object", "additionalProperties": False}
_AGAIN = {"type": "object", "properties": {"seq": {"type": "integer", "minimum": 0}}, "additionalProperties": False}
_ESTIMATE = {
    "type": "object",
    "properties": {
        **dict.fromkeys(("text", "words", "purpose"), _TEXT),
        "tree": {"type": "object"},
        "language": {"enum": ["en", "de"]},
        "exact": {"type": "boolean"},
    },
}
_SEGMENT = {
    "type": "object",
    "required": ["where"],
    "properties": {"where": _TEXT, "title": {}, "note": _TEXT, "before": _TEXT, "thaw": {"type": "boolean"}},
}
#: Bodies that routes read as bytes: path -> content.
_BODIES: dict[str, dict[str, Any]] = {
    "/api/expressions": {"application/json": {"schema": _EXPRESSION}},
    "/api/session": {"application/json": {"schema": _SIGN_IN}},
    "/api/events": {"application/json": {"schema": _BATCH}},
    "/api/sources": {"application/json": {"schema": _SOURCE}},
    "/api/sources/{source_id}": {
        "application/json": {"schema": {"type": "object", "properties": {"events_per_s": _RATE}}}
    },
    "/api/sources/{source_id}/keys": {"application/json": {"schema": _ROTATION}},
    "/api/drafts/find": {"application/json": {"schema": _CODE}},
    "/api/persons/{person_id}/merge": {"application/json": {"schema": _MERGE}},
    "/api/persons/{person_id}/split": {"application/json": {"schema": _SPLIT}},
    "/api/persons/{person_id}/stages": {"application/json": {"schema": _NOTE}},
    "/api/reviews/{review_id}": {"application/json": {"schema": _REVIEW}},
    "/api/drafts": {"application/json": {"schema": _DRAFT}},
    "/api/dead-letters/replay": {"application/json": {"schema": _REPLAY}},
    "/api/products/{product_id}": {"application/json": {"schema": {"type": "object"}}},
    "/api/estimates": {"application/json": {"schema": _ESTIMATE}},
    "/api/segments/{segment_id}/list": {"application/json": {"schema": _UPLOAD}},
    "/api/segments/{segment_id}/freeze": {"application/json": {"schema": _FREEZE}},
    "/api/segments/{segment_id}/empty": {"application/json": {"schema": _NOTHING}},
    "/api/segments/{segment_id}/exports": {"application/json": {"schema": _EXPORT}},
    "/api/destinations/{destination_id}/pause": {"application/json": {"schema": _NOTHING}},
    "/api/destinations/{destination_id}/resume": {"application/json": {"schema": _NOTHING}},
    "/api/destinations/{destination_id}/run": {"application/json": {"schema": _NOTHING}},
    "/api/destinations/{destination_id}/replay": {"application/json": {"schema": _AGAIN}},
    "/api/segments/{segment_id}": {"application/json": {"schema": _SEGMENT}},
    "/api/definitions": {"application/yaml": {"schema": _TEXT}, "application/json": {"schema": {"type": "object"}}},
}
_KEYED = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "schema": {"type": "string", "maxLength": 200},
    "description": "the same key with the same body has one effect and one answer for a day",
}


def document(handlers: Sequence[Any]) -> dict[str, Any]:
    """The OpenAPI 3.1 document of these routes, made by a framework of its own, so that none of its pages is served."""
    schemes: dict[str, SecurityScheme | Reference] = {
        "serverKey": SecurityScheme(type="http", scheme="bearer", description="server key"),
        "session": SecurityScheme(type="apiKey", name=COOKIE, security_scheme_in="cookie"),
    }
    config = OpenAPIConfig(
        title="Einklang", version="1", components=Components(security_schemes=schemes), use_handler_docstrings=True
    )
    found: dict[str, Any] = Litestar(route_handlers=handlers, openapi_config=config).openapi_schema.to_schema()
    permissions = {
        (re.sub(r":\w+}", "}", path), method.lower()): handler.opt.get("permission", "")
        for handler in handlers
        for path in handler.paths
        for method in handler.http_methods
    }
    found["components"]["schemas"]["Problem"] = _PROBLEM
    for path, operations in found["paths"].items():
        for method, operation in operations.items():
            _complete(operation, path, method, permissions.get((path, method), ""))
    return found


def _complete(operation: dict[str, Any], path: str, method: str, permission: str) -> None:
    operation["security"] = SECURITY[permission]
    problem = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    operation["responses"].pop("400", None)
    operation["responses"]["default"] = {"description": "what went wrong, where, and the mend", "content": problem}
    if method in ("post", "patch", "put") and path in _BODIES:
        operation["requestBody"] = {"required": True, "content": _BODIES[path]}
        if method == "post" and permission != "public":
            operation.setdefault("parameters", []).append(_KEYED)
