"""The channels that a home hands its messages to, as the settings say."""

from __future__ import annotations

from urllib.parse import unquote, urlsplit

from einklang.app.deliver import Channel
from einklang.channel.outbox import OutboxFolder
from einklang.channel.public import PublicBackend, networks_of
from einklang.channel.smtp import SmtpChannel
from einklang.channel.webhook import WebhookChannel, secrets_of
from einklang.kernel.errors import UsageError
from einklang.main.home import Home
from einklang.main.settings import Settings


def channels_of(settings: Settings, home: Home) -> dict[str, Channel]:
    """The channels that are set up: SMTP where EINKLANG_SMTP_URL says so, else the outbox folder. Raises UsageError."""
    if not settings.smtp_url:
        return {"email": OutboxFolder(home.path / "outbox")}
    try:
        url = urlsplit(settings.smtp_url)
        port = url.port or (465 if url.scheme == "smtps" else 587)
        known = url.scheme in ("smtp", "smtps") and bool(url.hostname)
    except ValueError:
        known = False
    if not known or not url.hostname:
        raise UsageError(
            "bad_setting", "not an SMTP address", where="EINKLANG_SMTP_URL", mend="write smtp://user:password@host:587"
        )
    channel = SmtpChannel(
        url.hostname,
        port,
        username=unquote(url.username or ""),
        password=unquote(url.password or ""),
        starttls=url.scheme == "smtp" and bool(url.username),
    )
    return {"email": channel}


def webhooks_over(settings: Settings) -> WebhookChannel:
    """What posts to webhooks, with the secrets of the settings, to public addresses and what they allow besides.

    Raises UsageError.
    """
    backend = PublicBackend(networks_of(settings.webhook_networks))
    return WebhookChannel(secrets_of(settings.webhook_secrets), backend)
