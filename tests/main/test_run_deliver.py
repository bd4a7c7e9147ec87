"""`run --deliver`: the same run over real channels; time waits for each hand-over."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from einklang.main.cli import main
from einklang.main.home import opened

pytestmark = pytest.mark.slow

_DEFINITIONS = """
kind: policy
timezone: Europe/Berlin
caps: [{channels: email, at_most: 2, per: 7d}]
quiet: [{channels: email, from: "20:00", to: "08:00"}]
---
kind: journey
id: tour
entry: {event: Product Added, key: cart_id}
exit: {bought: 'events("Order Completed").since(entry).where(cart_id == entry.key).exists()'}
control: 0.2
steps:
  - {id: first, contact: reminder, channels: email}
  - {id: calm, wait: 1h}
  - {id: told, branch: [{when: 'step.first.done', then: last}], else: end}
  - {id: last, contact: reminder, channels: email}
---
kind: message
id: reminder
purpose: marketing
class: marketing
email: {subject: Your cart, text: It is waiting.}
"""


def _events(folder: Path) -> Path:
    lines = []
    for n in range(60):
        at = f"2026-01-{1 + n // 24:02}T{n % 24:02}:{n % 60:02}:00Z"
        user: dict[str, Any] = {"userId": f"u{n}", "context": {"traits": {"email": f"u{n}@x.example"}}}
        consent = {"channel": "email", "purpose": "marketing", "address": f"u{n}@x.example"}
        user |= {"type": "track", "timestamp": at}
        if n % 3:
            lines.append({"event": "Consent Given", "messageId": f"c{n}", "properties": consent, **user})
        properties = {"cart_id": f"k{n}", "price": 10}
        lines.append({"event": "Product Added", "messageId": f"a{n}", "properties": properties, **user})
    path = folder / "events.jsonl"
    path.write_text("\n".join(json.dumps(line) for line in lines))
    return path


def _home(folder: Path, capsys: pytest.CaptureFixture[str], *options: str) -> tuple[Path, str]:
    """A home that was run with these options, and its counts."""
    home = folder / ("home" + "".join(options))
    definitions = folder / "definitions.yaml"
    definitions.write_text(_DEFINITIONS)
    at = ["--home", str(home), "--json"]
    assert main(["init", "--salt", "ab" * 32, *at]) == 0
    assert main(["apply", str(definitions), *at]) == 0
    assert main(["import", "events", str(_events(folder)), *at]) == 0
    assert main(["run", "--until", "2026-02-01T00:00:00Z", *options, *at]) == 0
    capsys.readouterr()
    assert main(["journey", "counts", "tour", *at]) == 0
    counts = capsys.readouterr().out
    assert main(["verify", *at]) == 0
    capsys.readouterr()
    return home, counts


def test_delivery_changes_nothing_but_the_way(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With and without --deliver the same messages go out, the counts are equal, and both homes equal their rebuild."""
    plain, counts = _home(tmp_path, capsys)
    real, delivered = _home(tmp_path, capsys, "--deliver")
    assert delivered == counts
    sent = sorted(path.name for path in (plain / "outbox" / "email").iterdir())
    assert len(sent) > 40
    assert sorted(path.name for path in (real / "outbox" / "email").iterdir()) == sent


def test_an_interrupted_run_loses_no_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A message whose file was not written when the process ended is written by the next command, from the archive."""
    home, _ = _home(tmp_path, capsys)
    folder = home / "outbox" / "email"
    whole = {path.name: path.read_bytes() for path in folder.iterdir()}
    with opened(home, base_url="http://127.0.0.1", writer=True) as unwritten:
        unwritten.book.transact(lambda tx: tx.write("meta_put", [("files_at", "0")]))
    for path in sorted(folder.iterdir())[::2]:
        path.unlink()
    assert main(["run", "--until", "2026-02-02T00:00:00Z", "--home", str(home), "--json"]) == 0
    capsys.readouterr()
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == whole
