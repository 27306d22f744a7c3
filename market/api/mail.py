"""E-mail to addresses that users name: plain text, by the operator's mail server."""

from __future__ import annotations

import re
import smtplib
from dataclasses import dataclass
from email.message import EmailMessage
from email.utils import make_msgid

from aggregator.errors import InvalidInput

SECONDS = 15.0
_ADDRESS = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@(?:[A-Za-z0-9-]{1,63}\.)*[A-Za-z0-9-]{1,63}")


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
            raise InvalidInput("that is not an e-mail address")

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
                server.starttls()
            server.send_message(message)
