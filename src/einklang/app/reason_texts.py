"""The reasons of the door and of journeys in words that staff understand, in German and English."""

from __future__ import annotations

from einklang.kernel.reasons import MergeRefused, Reason

R = Reason
#: (German, English). Every Reason has a line (tested).
TEXTS: dict[Reason, tuple[str, str]] = {
    R.WHERE: ("Die Bedingung für den Eintritt trifft nicht zu.", "The condition for entering does not hold."),
    R.NO_KEY: ("Dem Ereignis fehlt der Schlüssel der Journey.", "The event lacks the key of the journey."),
    R.RUNNING: ("Für diesen Schlüssel läuft die Journey schon.", "The journey is already running for this key."),
    R.REENTER: (
        "Ein erneuter Eintritt ist nicht oder noch nicht erlaubt.",
        "Entering again is not allowed, or not yet.",
    ),
    R.AT_ONCE: ("Es laufen schon so viele gleichzeitig wie erlaubt.", "As many are running at once as are allowed."),
    R.MAX_AGE: ("Das Ereignis ist zu alt, um eine Journey zu beginnen.", "The event is too old to begin a journey."),
    R.NOT_OPEN: ("Die Journey nimmt gerade niemanden auf.", "The journey takes in nobody at present."),
    R.PAUSED: ("Die Journey ist unterbrochen.", "The journey is paused."),
    R.ENTRY_LIMIT: ("Die Obergrenze für Eintritte ist erreicht.", "The limit of entries is reached."),
    R.CIRCLE: (
        "Die Journey löst sich selbst immer wieder aus; dieser Eintritt wurde abgewiesen.",
        "The journey starts itself again and again; this entry was refused.",
    ),
    R.NO_CONSENT: (
        "Für diesen Kanal und Zweck liegt keine Einwilligung vor.",
        "There is no consent for this channel and purpose.",
    ),
    R.SUPPRESSED: ("Die Adresse steht auf der Sperrliste.", "The address is on the suppression list."),
    R.POLICY_DENY: ("Eine Kontaktregel schließt den Kontakt aus.", "A rule of the contact policy forbids the contact."),
    R.POLICY_HOLD: (
        "Eine Kontaktregel hält den Kontakt zurück.",
        "A rule of the contact policy holds the contact back.",
    ),
    R.CAP: ("Die Kontaktgrenze ist erreicht.", "The frequency cap is reached."),
    R.QUIET_HOURS: (
        "Gerade sind Ruhezeiten; danach wird neu geprüft.",
        "It is within quiet hours; it is judged again afterwards.",
    ),
    R.NO_ADDRESS: ("Für diesen Kanal ist keine Adresse bekannt.", "No address is known for this channel."),
    R.CHANNEL_UNAVAILABLE: ("Der Kanal ist nicht eingerichtet.", "The channel is not set up."),
    R.HOLDOUT: (
        "Gehört zur globalen Kontrollgruppe: nur beobachtet, nicht kontaktiert.",
        "Belongs to the universal control group: only watched, not contacted.",
    ),
    R.CONTROL: (
        "Gehört zur Kontrollgruppe: nur beobachtet, nicht kontaktiert.",
        "Belongs to the control group: only watched, not contacted.",
    ),
    R.SKIPPED: (
        "Der Schritt wurde übersprungen, seine Bedingung traf nicht zu.",
        "The step was skipped, its condition did not hold.",
    ),
    R.PATIENCE: (
        "In der vorgesehenen Zeit war kein Kontakt möglich.",
        "No contact was possible within the time allowed.",
    ),
    R.OVERDUE: ("Der Kontakt war überfällig und wurde fallen gelassen.", "The contact was overdue and was dropped."),
    R.MISSING_VARIABLE: (
        "Der Nachricht fehlt eine Angabe; sie wartet, bis sie da ist.",
        "The message lacks a value; it waits until it is there.",
    ),
    R.TEMPLATE_ERROR: (
        "Die Nachricht lässt sich nicht erzeugen; sie wartet, bis es geht.",
        "The message cannot be rendered; it waits until it can.",
    ),
    R.EXITED: ("Die Person ist ausgestiegen, bevor versandt wurde.", "The person left before it was sent."),
    R.MERGED: ("Die Person wurde mit einer anderen zusammengeführt.", "The person was merged with another."),
    R.STOPPED: ("Die Journey wurde beendet.", "The journey was stopped."),
    R.UNKNOWN_OUTCOME: ("Ob die Nachricht ankam, ist ungeklärt.", "Whether the message arrived is unknown."),
    R.SEND_FAILED: ("Der Versand ist fehlgeschlagen.", "Sending failed."),
    R.HANDED_OVER: ("Die Nachricht wurde übergeben.", "The message was handed over."),
}
_VERDICTS = {
    "sent": ("Alle Regeln haben Ja gesagt.", "All rules said yes."),
    "ghost": ("Vergleichskontakt: nur aufgezeichnet.", "Ghost contact: only recorded."),
}


def word_of(verdict: str) -> str:
    """A verdict in the words of language.md 3.6; rows of the first landing say `allowed` for `sent`."""
    return "sent" if verdict == "allowed" else verdict


#: Why two persons that share an identifier were not merged (tested to be complete).
REFUSALS: dict[MergeRefused, tuple[str, str]] = {
    MergeRefused.KEPT_APART: (
        "Beide wurden von Hand getrennt.",
        "Staff split them, or said that they are two.",
    ),
    MergeRefused.TWO_USER_IDS: (
        "Beide haben eine eigene Kundenkennung.",
        "Each has a customer id of its own.",
    ),
    MergeRefused.TWO_UNIQUE_IDS: (
        "Beide haben eine eigene, eindeutige Kennung.",
        "Each has a unique identifier of its own.",
    ),
    MergeRefused.UNAUTHENTICATED: (
        "Beide waren schon bekannt, und der Aufruf kam mit einem öffentlichen Schlüssel: Jeder kann ihn senden.",
        "Both were known already, and the call came with a public key: anybody may have sent it.",
    ),
    MergeRefused.TOO_MANY_IDENTIFIERS: (
        "Zusammen hätten sie mehr Kennungen einer Art, als eine Person haben darf.",
        "Together they would have more identifiers of a kind than a person may have.",
    ),
    MergeRefused.BLOCKED_VALUE: (
        "Der gemeinsame Wert sagt nichts aus.",
        "The shared value says nothing.",
    ),
}


def refusal_text(reason: str) -> dict[str, str]:
    """Why a merge was refused, in words."""
    german, english = REFUSALS[MergeRefused(reason)]
    return {"de": german, "en": english}


def text_of(verdict: str, reason: str) -> dict[str, str] | None:
    """The reason of a verdict in words; None if nothing is known to say."""
    try:
        german, english = TEXTS[Reason(reason)]
    except ValueError:
        if verdict not in _VERDICTS:
            return None
        german, english = _VERDICTS[verdict]
    return {"de": german, "en": english}
