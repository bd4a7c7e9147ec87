"""`kind: policy` as written: defaults, and each mistake with its field."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from einklang.decide.policy import RawPolicy, parse
from einklang.fact.strict import convert
from einklang.kernel import time
from einklang.kernel.errors import InputError


def read(**fields: Any) -> Any:
    """Convert and parse."""
    return parse(convert({"kind": "policy", **fields}, RawPolicy, "p.yaml:1: policy"), "p.yaml:1: policy")


def test_an_absent_key_means_none() -> None:
    """No caps, no quiet hours, no hold-out, UTC, a patience of a day."""
    policy = read()
    assert (policy.caps, policy.quiet, policy.deny, policy.hold, policy.holdout) == ((), (), (), (), 0.0)
    assert (policy.timezone, policy.patience_us) == ("UTC", time.DAY)


def test_one_name_or_a_list() -> None:
    """`channels: email` and `channels: [email]` are the same; class is marketing unless written."""
    one, many = (
        read(caps=[{"channels": "email", "at_most": 1, "per": "7d"}]),
        read(caps=[{"channels": ["email"], "at_most": 1, "per": "1w"}]),
    )
    assert one.caps[0].scope == many.caps[0].scope
    assert one.caps[0].per_us == many.caps[0].per_us == 7 * time.DAY
    assert one.caps[0].scope.classes == ("marketing",)
    assert len(read(caps=[{"at_most": 1, "per": "7d", "class": "all"}]).caps[0].scope.classes) == 3


@pytest.mark.parametrize(
    ("fields", "code", "place"),
    [
        ({"timezone": "Europe/Atlantis"}, "unknown_zone", ".timezone"),
        ({"patience": "1 day"}, "bad_duration", ".patience"),
        ({"patience": "1mo"}, "months_in_window", ".patience"),
        ({"holdout": Decimal("1.1")}, "bad_share", ".holdout"),
        ({"holdout": Decimal("NaN")}, "bad_share", ".holdout"),
        ({"holdout": "0.02"}, "wrong_type", ".holdout"),
        ({"caps": [{"at_most": 1, "per": "1mo"}]}, "months_in_window", ".caps[0].per"),
        ({"caps": [{"at_most": 1, "per": "0d"}]}, "bad_duration", ".caps[0].per"),
        ({"caps": [{"at_most": -1, "per": "1d"}]}, "bad_number", ".caps[0].at_most"),
        ({"caps": [{"at_most": Decimal("1.5"), "per": "1d"}]}, "wrong_type", ".caps[0].at_most"),
        ({"caps": [{"per": "1d"}]}, "missing_field", ".caps[0]"),
        ({"caps": [{"at_most": 1, "per": "1d", "of": "household"}]}, "not_supported_yet", ".caps[0].of"),
        ({"caps": [{"at_most": 1, "per": "1d", "class": "ads"}]}, "bad_class", ".caps[0].class"),
        ({"caps": [{"at_most": 1, "per": "1d", "chanels": "email"}]}, "unknown_field", ".caps[0]"),
        ({"quiet": [{"from": "8:00", "to": "09:00"}]}, "bad_time_of_day", ".quiet[0].from"),
        ({"quiet": [{"from": "24:00", "to": "09:00"}]}, "bad_time_of_day", ".quiet[0].from"),
        ({"quiet": [{"from": "20:00", "to": "24:01"}]}, "bad_time_of_day", ".quiet[0].to"),
        ({"quiet": [{"from": "20:00", "to": "08:00", "days": "Sunday"}]}, "bad_weekday", ".quiet[0].days"),
        ({"quiet": [{"from": "20:00", "to": "08:00", "days": "workdays"}]}, "not_supported_yet", ".quiet[0].days"),
        ({"deny": [{"when": "true"}]}, "missing_field", ".deny[0]"),
        ({"cost": {"email": Decimal("-1")}}, "bad_number", ".cost.email"),
        ({"quite": []}, "unknown_field", ""),
    ],
)
def test_what_a_policy_must_not_say(fields: dict[str, Any], code: str, place: str) -> None:
    """Each with its code, the field at fault and a mend."""
    with pytest.raises(InputError) as caught:
        read(**fields)
    assert caught.value.code == code
    assert caught.value.where == "p.yaml:1: policy" + place
    assert caught.value.mend
