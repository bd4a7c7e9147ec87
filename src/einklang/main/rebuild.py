"""`rebuild`: a copy of the home in which what is known follows from the log anew, made beside a running server.

What was done stays as it was recorded: the log, the ledger of consents, verdicts, assignments, outcomes, messages and
what was exported. What is known of people is folded again from the log into a scratch Book, and takes the place of what
is stored wherever it differs. `einklang restore` makes a home of the copy.
"""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Any

from einklang.kernel.errors import Conflict
from einklang.main import moving
from einklang.main.books import BOOK_FILE
from einklang.main.home import Home, opened
from einklang.main.verify import Progress, one_state, scratch_state
from einklang.store.book.contents import replace
from einklang.testing.canonical import table_hash
from einklang.testing.rebuild import inputs_of, log_difference, rebuilt

#: What is known: it is made anew.
KNOWN = (
    "person", "history", "run", "member", "shadow", "standing", "timer", "identifier", "edge", "apart", "alias",
    "sign_in", "refused_merge", "definition", "catalog", "stop", "party", "party_member", "object", "object_waiting",
)  # fmt: skip
#: What was done, or told to others: it stays as it was recorded, and where it differs is told.
RECORDED = (
    "outbox", "suppression", "expired", "counter", "export", "ledger", "verdict", "assignment", "outcome",
    "message_log",
)  # fmt: skip


def rebuild(home: Home, target: Path, *, progress: Progress) -> dict[str, Any]:
    """The copy; `mended`: tables that were not what the log says, `differs`: records that are not, and stay.

    Raises Conflict `log_differs`, `too_early`, `home_exists`, `unfinished_copy`, Unavailable.
    """
    told: dict[str, Any] = {}

    def anew(part: Path) -> None:
        with opened(part, base_url=home.base_url, writer=False) as copy:
            told.update(_anew(copy, part / BOOK_FILE, progress))

    made = moving.backup(home.book, home.lake, target, progress=lambda _: None, then=anew)
    return {**made, **told}


def _anew(copy: Home, file: Path, progress: Progress) -> dict[str, Any]:
    with ExitStack() as until:
        with one_state(copy) as (reader, lake, base):
            inputs = inputs_of(reader, lake, base.seq if base else 0)
            counted: dict[str, int] = dict(reader.read("counters"))
            progress.total = counted["projected"] + counted["ticks"]
            beside = str(file.parent)
            again = until.enter_context(
                rebuilt(inputs, copy.salt.hex(), scratch_state(copy), progress=progress, base=base, folder=beside)
            )
            other = log_difference(reader, lake, again.book, after=again.after)
            if again.moved or other:
                said = other[0] if other else f"seq {again.moved[0][0]} became {again.moved[0][1]}"
                mend = "report it with this line; nothing was changed"
                raise Conflict("log_differs", f"the log leads to another log: {said[:300]}", mend=mend)
            mended = [table for table in KNOWN if table_hash(reader, table) != table_hash(again.book, table)]
            differs = [table for table in RECORDED if table_hash(reader, table) != table_hash(again.book, table)]
        replace(file, again.book.home / BOOK_FILE, mended)
    return {"mended": mended, "differs": differs}
