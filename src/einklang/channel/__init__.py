"""Floor 4: finished bytes go out to a mail server, a webhook or into the outbox folder, and a receipt comes back.

A channel says what happened and no more than it knows: `sent`, `failed` (for good or for now) or `unknown`, when the
answer to the last byte was lost. It never chooses whom to write to, never retries what may have arrived, never keeps
state beside open connections. Start with `types`, then `smtp` and `webhook`.
"""

from einklang.channel.outbox import OutboxFolder
from einklang.channel.public import PublicBackend, networks_of
from einklang.channel.smtp import SmtpChannel
from einklang.channel.types import Parcel, Receipt, failed, sent, unknown
from einklang.channel.webhook import Answer, Post, WebhookChannel, secrets_of

__all__ = [
    "Answer",
    "OutboxFolder",
    "Parcel",
    "Post",
    "PublicBackend",
    "Receipt",
    "SmtpChannel",
    "WebhookChannel",
    "failed",
    "networks_of",
    "secrets_of",
    "sent",
    "unknown",
]
