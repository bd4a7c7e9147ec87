"""Floor 3, `consent`: declarations with evidence -> ledger rows -> permission per channel, address and purpose.

It says what an event declares (`declare`, `suppression_of`), folds it so that the order of arrival does not matter
(`ledger`), and answers whether a contact is permitted (`permits`); the ledger is a hash chain (`chain`). It never
grants by itself, never forgets a withdrawal, never looks at identity. Start reading in `ledger`.
"""

from einklang.consent.addresses import PERSON, address_key, normal_address
from einklang.consent.chain import ChainRow, chain, first_broken
from einklang.consent.declaration import Declaration, Suppression, declare, suppression_of
from einklang.consent.lasting import Span, held, since
from einklang.consent.ledger import (
    EXPIRED,
    GIVEN,
    REQUESTED,
    WITHDRAWN,
    fold,
    merge_permissions,
    permission_key,
    permits,
    split_key,
    status_of,
)
from einklang.consent.purpose import BASES, Purpose, built_in_purposes, parse_purpose

__all__ = [
    "BASES",
    "EXPIRED",
    "GIVEN",
    "PERSON",
    "REQUESTED",
    "WITHDRAWN",
    "ChainRow",
    "Declaration",
    "Purpose",
    "Span",
    "Suppression",
    "address_key",
    "built_in_purposes",
    "chain",
    "declare",
    "first_broken",
    "fold",
    "held",
    "merge_permissions",
    "normal_address",
    "parse_purpose",
    "permission_key",
    "permits",
    "since",
    "split_key",
    "status_of",
    "suppression_of",
]
