"""The written files of the repository, each read and parsed once. The rules (rules_*.py) are functions over these."""

from __future__ import annotations

import ast
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
#: What is read as text; files without a suffix (Makefile, LICENSE, .ci/run) are, too.
TEXT_SUFFIX = re.compile(
    r"\.(py|pyi|sql|tsx?|m?js|css|html|md|toml|txt|in|ya?ml|json|cfg|ini|lark|j2|svg|mjml|liquid|po|csv|sh)|"
)


@dataclass(repr=False)
class Source:
    """One text file: `path` relative to the root, with slashes; for Python also the syntax tree."""

    path: str
    text: str

    @cached_property
    def lines(self) -> list[str]:
        return self.text.splitlines()

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.text, filename=self.path)

    @cached_property
    def nodes(self) -> list[ast.AST]:
        return list(ast.walk(self.tree))

    @property
    def room(self) -> str:
        """`expr` for src/einklang/expr/..., "" for einklang itself and for all that is not in the package."""
        parts = self.path.split("/")
        return parts[2] if self.path.startswith("src/einklang/") and len(parts) > 3 else ""

    @property
    def is_test(self) -> bool:
        return self.path.startswith("tests/")

    @cached_property
    def names(self) -> dict[str, str]:
        """Local name -> dotted name of what it was imported as: `{"dt": "datetime.datetime"}`."""
        found: dict[str, str] = {}
        for node in self.nodes:
            if isinstance(node, ast.Import):
                for item in node.names:
                    found[item.asname or item.name.split(".")[0]] = (
                        item.name if item.asname else item.name.split(".")[0]
                    )
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                for item in node.names:
                    found[item.asname or item.name] = f"{node.module}.{item.name}"
        return found

    def dotted(self, node: ast.AST) -> str:
        """The full name that an expression such as `dt.now` refers to (`datetime.datetime.now`), or ""."""
        if isinstance(node, ast.Name):
            return self.names.get(node.id, node.id)
        if isinstance(node, ast.Attribute):
            head = self.dotted(node.value)
            return f"{head}.{node.attr}" if head else ""
        return ""

    @cached_property
    def docstrings(self) -> set[int]:
        """Ids of the constants that are docstrings."""
        kinds = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
        found = set()
        for node in self.nodes:
            if isinstance(node, kinds) and node.body and isinstance(node.body[0], ast.Expr):
                found.add(id(node.body[0].value))
        return found


@dataclass(repr=False)
class House:
    """All files that git tracks or would track."""

    paths: list[str]
    sources: dict[str, Source] = field(default_factory=dict)

    def python(self, *folders: str) -> Iterator[Source]:
        """The Python files under these folders."""
        for path, source in self.sources.items():
            if path.endswith(".py") and path.startswith(folders):
                yield source

    @property
    def rooms(self) -> list[str]:
        return sorted({source.room for source in self.python("src/einklang/")} - {""})


def listing(root: Path) -> list[str]:
    """Written files: as git sees them, new ones included, ignored ones not; without git all but what is made."""
    if not (root / ".git").exists():
        made = {".venv", "node_modules", "build", "dist", "einklang-home", "__pycache__", "src/einklang/web/console"}
        found = (path.relative_to(root) for path in sorted(root.rglob("*")))
        parents = ((path.as_posix(), {*path.parts, *(parent.as_posix() for parent in path.parents)}) for path in found)
        return [path for path, above in parents if not above & made and "_cache/" not in path]
    command = ["git", "-c", "safe.directory=*", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    return subprocess.run(command, cwd=root, capture_output=True, check=True, text=True).stdout.split("\0")


def load(root: Path = ROOT) -> House:
    """Reads the tree once."""
    paths = sorted({path for path in listing(root) if path and (root / path).is_file()})
    house = House(paths)
    for path in paths:
        if TEXT_SUFFIX.fullmatch(Path(path).suffix):
            house.sources[path] = Source(path, (root / path).read_text(encoding="utf-8"))
    return house
