"""Finding a person by id or by `kind:value`; ids that were merged away resolve for ever."""

from __future__ import annotations

from einklang.app.ports import Reader
from einklang.app.working import Live, WorkingSet
from einklang.consent import normal_address
from einklang.kernel.errors import NotFound


def person_id(reader: Reader, text: str) -> str:
    """The living person's id. Raises NotFound `unknown_person`."""
    if text.startswith("p_"):
        alias = reader.read("alias_get", text)
        return str(alias[0][0]) if alias else text
    kind, _, value = text.partition(":")
    channel = {"email": "email", "phone": "phone"}.get(kind, "")
    rows = reader.read("identifier_get", kind, normal_address(channel, value) if channel else value.strip())
    if not rows:
        raise NotFound(
            "unknown_person",
            f"nobody has {text[:80]!r}",
            mend="give a person id or kind:value, such as email:a@b.example",
        )
    return str(rows[0][0])


def load(reader: Reader, text: str) -> Live:
    """The person with history and runs. Raises NotFound."""
    working = WorkingSet()
    working.reader = reader
    live = working.get(person_id(reader, text))
    if live is None:
        raise NotFound("unknown_person", f"nobody has the id {text[:80]!r}", mend="look the person up by kind:value")
    return live
