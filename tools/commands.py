"""Writes docs/commands.md from the parser of the command line; `make docs` runs it,
tests/house/test_documents.py compares."""

from __future__ import annotations

import argparse
from pathlib import Path

HEAD = """# Commands

Made by `make docs` from the parser; do not edit. Every command takes `--home DIR` (else `EINKLANG_HOME`, else
`./einklang-home`) and `--json`, which prints one JSON document on standard output; messages go to standard error.
Exit status: 0 done, 1 a finding or a refusal, 2 wrong usage. An error is one line: what, where, the mend.
"""
#: Options that every command has; they stand in the head.
COMMON = {"help", "home", "json"}


def subparsers(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    """Name -> parser of each sub-command, in their order."""
    actions = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
    return {name: sub for action in actions for name, sub in action.choices.items()}


def option(action: argparse.Action) -> str:
    """`--until TIME`, `FILE`, `count|members`."""
    name = action.option_strings[0] if action.option_strings else ""
    value = "|".join(map(str, action.choices)) if action.choices else str(action.metavar or action.dest.upper())
    takes = action.nargs != 0
    value += " ..." if action.nargs in ("*", "+") else ""
    text = " ".join(part for part in (name, value if takes else "") if part)
    return f"[{text}]" if (action.option_strings and not action.required) or action.nargs in ("?", "*") else text


def described(action: argparse.Action) -> str:
    """The help of an option with its default, or ""."""
    text = action.help or ""
    if action.default not in (None, False, [], argparse.SUPPRESS) and "default" not in text:
        text = f"{text} (default: {action.default})".strip()
    return text


def sentence(text: str) -> str:
    """A help text as a sentence."""
    text = text.strip().rstrip(".")
    return f"{text[:1].upper()}{text[1:]}."


def section(name: str, parser: argparse.ArgumentParser) -> str:
    """One command: its line, what it does, its options."""
    shown = [a for a in parser._actions if a.dest not in COMMON and a.help != argparse.SUPPRESS]
    usage = " ".join(["einklang", name, *map(option, shown)])
    lines = [f"\n## `{name}`\n", f"`{usage}`\n", f"{sentence(parser.description or '')}\n"]
    rows = [f"- `{option(a).strip('[]')}`: {described(a)}" for a in shown if described(a)]
    return "\n".join([*lines, *rows]) + ("\n" if rows else "")


def render() -> str:
    """The whole page."""
    from einklang.main.cli import build_parser

    return HEAD + "".join(section(name, parser) for name, parser in subparsers(build_parser()).items())


if __name__ == "__main__":
    (Path(__file__).resolve().parents[1] / "docs" / "commands.md").write_text(render())
