"""Documentation is tested: pages that list things list exactly those that exist, and every link leads somewhere."""

from __future__ import annotations

import argparse
import re
from pathlib import PurePosixPath

import msgspec
import pytest

from einklang.kernel import limits, reasons
from einklang.main.settings import Settings
from tests.house.tree import ROOT, House
from tools import commands

ROW = re.compile(r"^\| `([^`]+)` \| *([^|]*?) *\|", re.MULTILINE)
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")


def page(name: str) -> str:
    """The text of a page in docs/."""
    return (ROOT / "docs" / name).read_text(encoding="utf-8")


def section(text: str, title: str) -> str:
    """The part of a page under a heading that starts with this title, up to the next heading of that level or above."""
    match = re.search(rf"^(#+) {re.escape(title)}.*?$(.*?)(?=^#{{1,2}} |\Z)", text, re.MULTILINE | re.DOTALL)
    assert match, title
    return match[2]


def rows(text: str) -> dict[str, str]:
    """First cell (in backticks) -> second cell of each row of the tables in a text."""
    return dict(ROW.findall(text))


@pytest.mark.parametrize(
    ("title", "group"),
    [
        ("Rejected", reasons.Rejected),
        ("Dead letters", reasons.DeadLetter),
        ("Refused merges", reasons.MergeRefused),
        ("Decisions", reasons.Reason),
    ],
)
def test_every_reason_is_explained(title: str, group: type[reasons.Reason]) -> None:
    """docs/reasons.md explains each member of each closed set under its heading, and nothing else."""
    explained = section(page("reasons.md"), title)
    assert set(rows(explained)) == {member.value for member in group}
    assert all(len(meaning) > 10 or meaning in ("held", "denied") for meaning in rows(explained).values())


def test_a_missing_reason_is_found() -> None:
    """Positive control: a page without one row differs."""
    text = page("reasons.md").replace("| `cap` |", "| cap |")
    assert set(rows(section(text, "Decisions"))) == {member.value for member in reasons.Reason} - {"cap"}


def test_limits_are_listed_with_their_values() -> None:
    """docs/settings.md states every limit as it is."""
    listed = rows(section(page("settings.md"), "Limits"))
    wanted = {name: value for name, value in vars(limits).items() if name.isupper()}
    assert set(listed) == set(wanted)
    for name, value in wanted.items():
        text = ", ".join(f"{k} {v}" for k, v in value.items()) if isinstance(value, dict) else str(value)
        assert listed[name] == text


def test_settings_are_listed_with_their_defaults() -> None:
    """docs/settings.md lists exactly the fields of Settings, as variables, with their defaults."""
    listed = rows(section(page("settings.md"), "Environment"))
    defaults = msgspec.structs.fields(Settings)
    assert listed == {f"EINKLANG_{f.name.upper()}": f"`{f.default}`" if f.default else "" for f in defaults}


def test_settings_are_read_in_one_place(house: House) -> None:
    """No room but main looks at the environment, and nothing but main.settings at variables of Einklang."""
    readers = [s.path for s in house.python("src/einklang/") if re.search(r"\bos\.(environ|getenv)\b", s.text)]
    assert [path for path in readers if not path.startswith("src/einklang/main/")] == []


def test_commands_are_listed() -> None:
    """docs/commands.md is what tools/commands.py writes for the parser of today."""
    assert page("commands.md") == commands.render(), "run `make docs`"


def test_the_page_of_a_parser_names_its_parts() -> None:
    """Positive control: commands, arguments, choices and defaults of a parser are on the page."""
    parser = argparse.ArgumentParser()
    init = parser.add_subparsers().add_parser("init", description="make it")
    init.add_argument("kind", choices=["a", "b"])
    init.add_argument("--port", type=int, default=80)
    init.add_argument("--quiet", action="store_true", help="say nothing")
    text = commands.section("init", commands.subparsers(parser)["init"])
    assert "`einklang init a|b [--port PORT] [--quiet]`" in text
    assert "- `--port PORT`: (default: 80)\n- `--quiet`: say nothing\n" in text


def test_the_glossary_has_one_row_a_concept() -> None:
    """60 numbered concepts, each with an English and a German word."""
    found = re.findall(r"^\| (\d+) \| ([^|]+) \| ([^|]+) \| ([^|]+) \|", page("glossary.md"), re.MULTILINE)
    assert [int(row[0]) for row in found] == list(range(1, 61))
    assert all(cell.strip() for row in found for cell in row)


def broken_links(path: str, text: str) -> list[str]:
    """Relative links of a page that lead nowhere."""
    folder = ROOT / PurePosixPath(path).parent
    targets = [
        link.split("#")[0] for link in LINK.findall(text) if "://" not in link and not link.startswith(("#", "mailto:"))
    ]
    return [f"{path}: {target}" for target in targets if target and not (folder / target).exists()]


def test_links_lead_somewhere(house: House) -> None:
    """Each relative link and picture in a Markdown page exists."""
    pages = {path: source.text for path, source in house.sources.items() if path.endswith(".md")}
    assert len(pages) >= 10
    assert [broken for path, text in pages.items() for broken in broken_links(path, text)] == []
    assert broken_links("docs/x.md", "[a](nowhere.md) [b](glossary.md#x) [c](https://example.org)") == [
        "docs/x.md: nowhere.md"
    ]


def test_nobody_is_sent_to_an_address_that_is_none() -> None:
    """Who reports a weakness is told a way that exists: no address of a domain that is reserved for examples."""
    made_up = re.compile(r"@[\w.-]+\.(?:example|invalid|test)\b|@example\.")
    said = [(ROOT / name).read_text() for name in ("SECURITY.md", "CONTRIBUTING.md", "README.md")]
    assert [text for text in said if made_up.search(text)] == []
    assert made_up.search("write to security@einklang.example, please")
    assert "in private" in said[0]


def test_the_architecture_names_every_room(house: House) -> None:
    """docs/architecture.md draws each room that exists."""
    drawing = section(page("architecture.md"), "The house")
    assert [room for room in house.rooms if not re.search(rf"\b{room}\b", drawing)] == []


def test_the_readme_is_one_screen_and_its_commands_exist() -> None:
    """At most 60 lines; each `make` target that README and CONTRIBUTING name is in the Makefile."""
    readme = (ROOT / "README.md").read_text()
    targets = set(re.findall(r"\bmake (\w+)", readme + (ROOT / "CONTRIBUTING.md").read_text()))
    made = set(re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert len(readme.splitlines()) <= 60
    assert {"demo", "test"} <= targets <= made


def test_records_and_fragments_are_named_by_rule(house: House) -> None:
    """Decisions are numbered without gaps; changelog fragments say their kind."""
    records = sorted(PurePosixPath(p).name for p in house.paths if p.startswith("docs/decisions/"))
    assert [int(name[:4]) for name in records] == list(range(1, len(records) + 1))
    fragments = [PurePosixPath(p).name for p in house.paths if p.startswith("changelog.d/")]
    assert [
        name for name in fragments if not re.fullmatch(r"[a-z0-9-]+\.(added|changed|fixed|removed)\.md", name)
    ] == []
