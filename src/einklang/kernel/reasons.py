"""The closed sets of reasons. A refusal is a value with one of these; docs/reasons.md explains each (tested)."""

from __future__ import annotations

from enum import StrEnum


class Rejected(StrEnum):
    """Why a call was not admitted (HTTP answer) or an import row was refused."""

    NOT_JSON = "not_json"
    NOT_AN_OBJECT = "not_an_object"
    NO_BATCH = "no_batch"
    BATCH_TOO_LONG = "batch_too_long"
    UNKNOWN_TYPE = "unknown_type"
    WRONG_TYPE = "wrong_type"
    NO_IDENTIFIER = "no_identifier"
    BAD_IDENTIFIER = "bad_identifier"
    NO_NAME = "no_name"
    NAME_TOO_LONG = "name_too_long"
    BAD_TIME = "bad_time"
    TOO_LARGE = "too_large"
    TOO_DEEP = "too_deep"
    NUL_BYTE = "nul_byte"
    BAD_NUMBER = "bad_number"
    RESERVED_NAME = "reserved_name"
    MISSING_COLUMN = "missing_column"
    BAD_ROW = "bad_row"


class DeadLetter(StrEnum):
    """Why an accepted event was put aside instead of folded."""

    ID_CONFLICT = "id_conflict"
    POISON = "poison"
    UNDECODABLE = "undecodable"
    SCHEMA_VIOLATION = "schema_violation"
    NO_OWNER = "no_owner"


class MergeRefused(StrEnum):
    """Why two persons that share an identifier were not merged."""

    KEPT_APART = "kept_apart"
    TWO_USER_IDS = "two_user_ids"
    TWO_UNIQUE_IDS = "two_unique_ids"
    UNAUTHENTICATED = "unauthenticated"
    TOO_MANY_IDENTIFIERS = "too_many_identifiers"
    BLOCKED_VALUE = "blocked_value"


class Reason(StrEnum):
    """Why a candidate did not enter, or a contact was held or denied."""

    # entry of a journey
    WHERE = "where"
    NO_KEY = "no_key"
    RUNNING = "running"
    REENTER = "reenter"
    AT_ONCE = "at_once"
    MAX_AGE = "max_age"
    NOT_OPEN = "not_open"
    PAUSED = "paused"
    ENTRY_LIMIT = "entry_limit"
    CIRCLE = "circle"
    # the door, in its order
    NO_CONSENT = "no_consent"
    SUPPRESSED = "suppressed"
    POLICY_DENY = "policy_deny"
    POLICY_HOLD = "policy_hold"
    CAP = "cap"
    QUIET_HOURS = "quiet_hours"
    NO_ADDRESS = "no_address"
    CHANNEL_UNAVAILABLE = "channel_unavailable"
    HOLDOUT = "holdout"
    CONTROL = "control"
    # the run and the hand-over
    SKIPPED = "skipped"
    PATIENCE = "patience"
    OVERDUE = "overdue"
    MISSING_VARIABLE = "missing_variable"
    TEMPLATE_ERROR = "template_error"
    EXITED = "exited"
    MERGED = "merged"
    STOPPED = "stopped"
    UNKNOWN_OUTCOME = "unknown_outcome"
    SEND_FAILED = "send_failed"
    HANDED_OVER = "handed_over"
