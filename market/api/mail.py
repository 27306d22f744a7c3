"""E-mail to addresses that users name: plain text, by the operator's mail server."""

from __future__ import annotations

import re
import smtplib
import ssl
from dataclasses import dataclass
from email.message import EmailMessage
from email.utils import make_msgid

from aggregator.errors import InvalidInput
from market.api.settings import LOOPBACK

SECONDS = 15.0
_WORD = r"[A-Za-z0-9_+&'=~-]+"
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_ADDRESS = re.compile(rf"(?=.{{1,64}}@)(?=.{{1,254}}\Z){_WORD}(?:\.{_WORD})*@{_LABEL}(?:\.{_LABEL})*", re.ASCII)
"""Plain ones (RFC 5321's Mailbox without quoting), and not all: `?` is in encoded words, which name other inboxes than
they look like, and `%` and `!` make old servers pass a mail on."""


@dataclass(frozen=True, slots=True)
class Mail:
    """Sends mail.

    Parameters
    ----------
    host, port
        The mail server; an empty host means that there is none.
    sender
        The sender's address.

    """

    host: str
    port: int
    sender: str

    def check(self, address: str) -> None:
        """Check that mail can be sent, and that this is an address.

        Raises
        ------
        InvalidInput
            If not.

        """
        if not self.host:
            raise InvalidInput("this server sends no e-mail", hint="whoever runs it names a mail server")
        if not _ADDRESS.fullmatch(address):
            raise InvalidInput("that is not a plain e-mail address", hint="such as ada@example.org")

    def send(self, address: str, subject: str, text: str) -> None:
        """Send a text; OSError or smtplib.SMTPException if the mail server does not take it."""
        message = EmailMessage()
        message["From"], message["To"] = self.sender, address
        message["Subject"], message["Message-ID"] = subject, make_msgid(domain="gramercy.invalid")
        message["Auto-Submitted"] = "auto-generated"
        message.set_content(text)
        with smtplib.SMTP(self.host, self.port, timeout=SECONDS) as server:
            server.ehlo()
            if server.has_extn("starttls"):
                server.starttls(context=_tls(self.host))
            server.send_message(message, self.sender, [address])


def inbox(address: str) -> str:
    """Return what addresses of one inbox have in common, as far as it can be told: case and tags make no difference."""
    local, _, host = address.lower().rpartition("@")
    return f"{local.partition('+')[0] or local}@{host}"


def _tls(host: str) -> ssl.SSLContext:
    """Trust the system's authorities; on this machine itself, where certificates name nobody, whoever answers."""
    context = ssl.create_default_context()
    if host in LOOPBACK:
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context
