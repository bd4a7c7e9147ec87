"""Groups over REST: a company with its people and their roles, a person's groups, objects that a household shares."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.web.homes import Home, call, home


@pytest.fixture
def firm(tmp_path: Path) -> Iterator[Home]:
    """Two people of a company, one of them its contact person, and a household of one of them."""
    with home(tmp_path) as made:
        made.define("{kind: object, id: loan, key: nr, owner: household, events: {Loan Taken: open}}")
        made.track(
            call("identify", userId="ann", traits={"name": "Ann"}),
            call("group", userId="ann", groupId="acme", traits={"name": "ACME", "employees": 60, "role": "buyer"}),
            call("group", userId="bo", groupId="acme", traits={"contact_person": True, "role": "owner"}),
            call("group", userId="bo", groupId="h/1", traits={"type": "household"}),
            call("group", userId="cy", groupId="h/1", traits={"type": "household"}),
            call(userId="cy", event="Loan Taken", properties={"nr": 7}),
        )
        made.tick()
        yield made


def test_a_company_has_traits_and_people_with_roles(firm: Home) -> None:
    """The record, its size and its members; what is said of a person is no trait of the group."""
    found = firm.get("/api/groups/company/acme").json()
    assert (found["traits"], found["size"]) == ({"employees": 60, "name": "ACME"}, 2)
    roles = {member["label"]: (member["role"], member["contact_person"]) for member in found["members"]}
    assert sorted(roles.values(), key=str) == [("buyer", False), ("owner", True)]
    assert roles["Ann"] == ("buyer", False)


def test_a_person_belongs_to_groups(firm: Home) -> None:
    """Each type once, with the role there."""
    items = firm.get("/api/persons/userId:bo/groups").json()["items"]
    assert [(one["type"], one["id"], one["role"], one["size"]) for one in items] == [
        ("company", "acme", "owner", 2),
        ("household", "h/1", None, 2),
    ]
    assert firm.get("/api/groups/household/h%2F1").json()["size"] == 2
    assert [row["id"] for row in firm.get("/api/groups/company").json()["items"]] == ["acme"]


def test_what_a_household_owns_is_shown_with_each_member(firm: Home) -> None:
    """A loan that one took stands at the other's page too."""
    for who in ("bo", "cy"):
        assert [one["id"] for one in firm.get(f"/api/persons/userId:{who}/objects/loan").json()["items"]] == ["7"]
    assert firm.get("/api/persons/userId:ann/objects/loan").json()["items"] == []


def test_an_unknown_group_is_404(firm: Home) -> None:
    """With its code and the way on."""
    answer = firm.get("/api/groups/company/nobody")
    assert (answer.status_code, answer.json()["code"]) == (404, "unknown_group")
