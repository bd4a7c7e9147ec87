"""The purposes for which people may be contacted or followed, and their legal bases: `kind: purpose`."""

from __future__ import annotations

from typing import Any, Literal, get_args

import msgspec

from einklang.fact.strict import convert

Basis = Literal["consent", "contract", "legal_obligation", "legitimate_interest", "vital_interest", "public_task"]
#: The legal bases of GDPR article 6 (1).
BASES: tuple[str, ...] = get_args(Basis)

Text = str | dict[str, str]


class Purpose(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A purpose. channels: those it may use, None = all.

    double_opt_in: a consent that came with a write key is a request until the link of an `opt_in` mail confirms it.
    """

    id: str
    title: Text = ""
    basis: Basis = "consent"
    double_opt_in: bool = False
    channels: tuple[str, ...] | None = None
    kind: Literal["purpose"] = "purpose"

    def allows(self, channel: str) -> bool:
        """Whether the purpose may use this channel at all."""
        return self.channels is None or channel in self.channels


def parse_purpose(raw: dict[str, Any], where: str) -> Purpose:
    """The definition as a `Purpose`. `channels`: one name or a list. Raises InputError with the field and the mend."""
    channels = raw.get("channels")
    if isinstance(channels, str):
        raw = {**raw, "channels": [channels]}
    return convert(raw, Purpose, where)


def built_in_purposes() -> dict[str, Purpose]:
    """marketing, service, track_open, track_click (without: no pixel, plain links). A definition may replace one."""
    found = (
        Purpose("marketing", {"de": "Werbung", "en": "Advertising"}),
        Purpose("service", {"de": "Service", "en": "Service"}, "contract"),
        Purpose("track_open", {"de": "Messung von Öffnungen", "en": "Measuring of opens"}),
        Purpose("track_click", {"de": "Messung von Klicks", "en": "Measuring of clicks"}),
    )
    return {purpose.id: purpose for purpose in found}
