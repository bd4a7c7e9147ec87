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


def test_members_page_by_page_by_role_and_contact(tmp_path: Path) -> None:
    """However many there are, each is on one page once; buyers alone, contact persons alone."""
    with home(tmp_path) as made:
        calls = [
            call("group", userId=f"u{n}", groupId="acme", traits={"role": "buyer" if n % 4 else "owner"})
            for n in range(17)
        ]
        calls.append(call("group", userId="u3", groupId="acme", traits={"role": "buyer", "contact_person": True}))
        made.track(*calls)
        made.tick()
        found, cursor, pages = [], "", 0
        while pages == 0 or cursor:
            page = made.get(f"/api/groups/company/acme/members?limit=5&cursor={cursor}").json()
            found += [one["person_id"] for one in page["items"]]
            cursor, pages = page["next"] or "", pages + 1
        assert (len(found), len(set(found)), pages, found) == (17, 17, 4, sorted(found))
        roles = made.get("/api/groups/company/acme/members?role=owner").json()["items"]
        assert [one["role"] for one in roles] == ["owner"] * 5
        contacts = made.get("/api/groups/company/acme/members?contact=true").json()["items"]
        whole = made.get("/api/groups/company/acme?limit=4").json()
        assert whole["contacts"] == contacts
        assert (len(contacts), whole["size"], whole["counted"], len(whole["members"])) == (1, 17, 17, 4)
        assert whole["next"] == found[3]


def test_groups_are_found_by_name_and_type(firm: Home) -> None:
    """Types with their numbers; a search in ids and texts; groups of which nothing was said but members are listed."""
    assert firm.get("/api/groups").json()["items"] == [
        {"type": "company", "groups": 1, "members": 2},
        {"type": "household", "groups": 1, "members": 2},
    ]
    assert [(one["id"], one["size"]) for one in firm.get("/api/groups/household").json()["items"]] == [("h/1", 2)]
    assert [one["id"] for one in firm.get("/api/groups/company?q=aCm").json()["items"]] == ["acme"]
    assert firm.get("/api/groups/company?q=60").json()["items"] == []


def test_the_objects_of_all_members(firm: Home) -> None:
    """All orders of a company's people, page by page, with whose they are; of others none."""
    orders = [call(userId=user, properties={"order_id": f"o-{n}"}) for n, user in enumerate(("ann", "bo", "ann", "cy"))]
    firm.track(*orders)
    firm.tick()
    first = firm.get("/api/groups/company/acme/objects/order?limit=2").json()
    rest = firm.get(f"/api/groups/company/acme/objects/order?limit=2&cursor={first['next']}").json()
    assert [one["object"]["id"] for one in first["items"] + rest["items"]] == ["o-0", "o-1", "o-2"]
    assert first["items"][0]["persons"][0]["label"] == "Ann"
    loans = firm.get("/api/groups/household/h%2F1/objects/loan").json()["items"]
    assert [(one["object"]["id"], one["group"]) for one in loans] == [("7", "household h/1")]
