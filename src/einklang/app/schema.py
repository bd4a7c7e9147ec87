"""JSON Schema (2020-12) of the definitions, for editors: one alternative a kind.

`apply` checks more than a schema can say.
"""

from __future__ import annotations

from typing import Any

import msgspec

from einklang.app import kinds
from einklang.app.destination_kinds import TYPES
from einklang.app.scores import RawScore
from einklang.app.stages import RawStage
from einklang.audience.definition import RawSegment
from einklang.consent import Purpose
from einklang.content.blocks import BLOCKS
from einklang.content.message import CHANNELS, CLASSES
from einklang.decide.policy import RawPolicy
from einklang.flow.definition import RawJourney
from einklang.identity import RawIdentity
from einklang.profile import RawObject

_STRUCTS: dict[str, Any] = {
    "journey": RawJourney,
    "segment": RawSegment,
    "policy": RawPolicy,
    "identity": RawIdentity,
    "purpose": Purpose,
    "trait": kinds.RawTrait,
    "event": kinds.RawEvent,
    "campaign": kinds.RawCampaign,
    "catalog": kinds.RawCatalog,
    "object": RawObject,
    "score": RawScore,
    "stage": RawStage,
}
_NAMES = ("team", "channel", "touchpoint", "brand")
_TEXT = {"anyOf": [{"type": "string"}, {"type": "object", "additionalProperties": {"type": "string"}}]}
_ID = {"type": "string", "pattern": "^[a-z][a-z0-9-]*$"}


def schema() -> dict[str, Any]:
    """One JSON Schema document for every kind that `apply` takes."""
    types = {struct: [name for name in TYPES if TYPES[name][0] is struct] for struct, _ in TYPES.values()}
    structs = [*_STRUCTS.values(), kinds.RawName, *types]
    _, found = msgspec.json.schema_components(structs, ref_template="#/$defs/{name}")
    parts: dict[str, Any] = _numbers(found)
    for kind, struct in _STRUCTS.items():
        _name(parts[struct.__name__], {"const": kind}, required=kind not in ("policy", "identity"))
    _name(parts["RawName"], {"enum": list(_NAMES)}, required=True)
    for raw, names in types.items():
        _name(parts[raw.__name__], {"const": "destination"}, required=True)
        parts[raw.__name__]["properties"]["type"] = {"enum": names}
    parts["RawSegment"]["anyOf"] = [{"required": ["where"]}, {"required": ["manual"]}]
    parts["Purpose"]["properties"]["channels"] = {"anyOf": [{"type": "string"}, {"type": "array"}]}
    parts["RawPoint"]["properties"]["add"] = {"anyOf": [{"type": "number"}, {"type": "string", "pattern": "^="}]}
    parts |= _message()
    refs = [struct.__name__ for struct in structs] + ["Message"]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Definition of Einklang",
        "oneOf": [{"$ref": f"#/$defs/{name}"} for name in refs],
        "$defs": parts,
    }


def _name(part: dict[str, Any], kind: dict[str, Any], *, required: bool) -> None:
    part["properties"]["kind"] = kind
    part["required"] = sorted({*part["required"], "kind", *(("id",) if required else ())} - {"" if required else "id"})


def _numbers(value: Any) -> Any:
    """Decimals are numbers in YAML; msgspec says texts."""
    if isinstance(value, list):
        return [_numbers(item) for item in value]
    if not isinstance(value, dict):
        return value
    out = {key: _numbers(item) for key, item in value.items()}
    if out.get("format") == "decimal":
        default = {"default": float(out["default"])} if "default" in out else {}
        return {"type": "number"} | default
    return out


def _object(properties: dict[str, Any], required: list[str]) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


def _message() -> dict[str, Any]:
    """A message: the fields of `content.message` (language.md 4); templates are texts."""
    block: dict[str, Any] = {"anyOf": [{"const": "divider"}, _object({name: {} for name in BLOCKS}, [])]}
    email: dict[str, Any] = dict.fromkeys(("subject", "preheader", "text", "html", "mjml"), _TEXT)
    email |= {"blocks": {"type": "array", "items": block}, "from": {"type": "string"}}
    channels = {name: {"$ref": "#/$defs/Content"} for name in CHANNELS if name != "email"}
    channels["email"] = {"$ref": "#/$defs/Email"}
    share = {"type": "number", "exclusiveMinimum": 0, "maximum": 1}
    variant = _object({"id": _ID, "share": share, **channels}, ["id", "share"])
    fields: dict[str, Any] = {
        "kind": {"const": "message"},
        "id": _ID,
        "title": _TEXT,
        "note": {"type": "string"},
        "purpose": {"type": "string"},
        "class": {"enum": list(CLASSES)},
        "topic": {"type": "string"},
        "brand": {"type": "string"},
        "data": {"type": "object", "additionalProperties": {"type": "string"}},
        "variants": {"type": "array", "items": variant},
        "hosts": {"type": "array", "items": {"type": "string"}},
        **channels,
    }
    return {
        "Message": _object(fields, ["kind", "id", "purpose", "class"]),
        "Email": _object(email, ["subject"]),
        "Content": {"type": "object"},
    }
