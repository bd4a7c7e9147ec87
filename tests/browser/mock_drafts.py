"""Half-filled forms for the mock of the REST API: kept while a test runs, saved by version as the server does it."""

from __future__ import annotations

import copy
from typing import Any

from tests.browser.mock_data import NOW, stamp

Data = dict[str, Any]
CODE = "K7F3-QX9P"
FIELDS: Data = {
    "firstName": "Johanna",
    "email": "johanna.lindqvist@example.org",
    "garden_size": 240,
    "start": "",
    "wishes": "A bench under the oak, and something for the shady corner beside the shed where nothing wants to grow.",
    "extras": {"delivery": True, "assembly": False},
    "newsletter": False,
    "cart": [{"product_id": "g-118", "quantity": 1}],
}
SECOND: Data = {"serial_number": "HB-20417", "what_happened": ""}


def draft(name: str, form: str, fields: Data) -> Data:
    """A draft of Johanna that she saved a minute ago."""
    return {
        "id": name,
        "form": form,
        "fields": copy.deepcopy(fields),
        "version": 3,
        "status": "open",
        "saved_at": stamp(NOW),
        "by": "owner",
        "touchpoint": "web",
        "person": "p_4fk2x9",
    }


class Drafts:
    """The drafts of a home."""

    def __init__(self) -> None:
        self.kept = {"r-1": draft("d-1", "garden-planner", FIELDS), "r-2": draft("d-2", "warranty_claim", SECOND)}

    def saved(self, ref: str, by: str = "owner", **fields: Any) -> Data:
        """Somebody saved these fields; the entry of the log that says so."""
        one = self.kept[ref]
        one["fields"] |= fields
        one["version"] += 1
        one["by"] = by
        return self.told(ref, "Draft Saved")

    def closed(self, ref: str, outcome: str) -> Data:
        """Somebody sent it or gave it up."""
        self.kept[ref] |= {"status": outcome, "version": self.kept[ref]["version"] + 1}
        return self.told(ref, "Draft Closed")

    def told(self, ref: str, name: str) -> Data:
        """An entry about a draft."""
        one = self.kept[ref]
        entry = {"seq": 99_000 + one["version"], "clock": stamp(NOW), "at": stamp(NOW), "type": "track", "name": name}
        entry |= {"person_id": "p_4fk2x9", "person_label": "Johanna Lindqvist", "source": "shop", "touchpoint": "web"}
        return entry | {"origin": 0, "properties": {"draft_id": one["id"], "form": one["form"]}}

    def open_ones(self) -> list[Data]:
        """What `GET /api/persons/{id}/drafts` lists."""
        return [{"ref": ref, "draft": one, "token": None} for ref, one in self.kept.items() if one["status"] == "open"]

    def find(self, said: Data) -> Data | None:
        """By code or reference."""
        ref = "r-1" if said.get("code") == CODE else said.get("ref", "")
        return {"ref": ref, "draft": self.kept[ref], "token": None} if ref in self.kept else None

    def save(self, said: Data) -> Data | str:
        """Saved or closed by an agent; the answer, or the code of the refusal."""
        ref, one = said["ref"], self.kept[said["ref"]]
        if "outcome" in said:
            self.closed(ref, said["outcome"])
        elif one["status"] != "open":
            return "draft_closed"
        elif said["version"] != one["version"]:
            return "draft_changed"
        else:
            one |= {"fields": said["fields"], "version": one["version"] + 1, "by": "agent"}
        return {"ref": ref, "draft": one, "token": None}
