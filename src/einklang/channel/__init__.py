"""Floor 4: finished bytes go out to a mail server or into the outbox folder, and a receipt comes back.

A channel says what happened and no more than it knows: `sent`, `failed` (for good or for now) or `unknown`, when the
answer to the last byte was lost. It never chooses whom to write to, never retries what may have arrived, never keeps
state beside open connections. Start with `types`, then `smtp`.
"""

from einklang.channel.outbox import OutboxFolder
from einklang.channel.smtp import SmtpChannel
from einklang.channel.types import Parcel, Receipt, failed, sent, unknown

__all__ = ["OutboxFolder", "Parcel", "Receipt", "SmtpChannel", "failed", "sent", "unknown"]
