"""E-mail goes to whom an address names, and to nobody else, in whatever way it is written."""

from __future__ import annotations

from email.message import EmailMessage
from email.policy import SMTP

import pytest

from aggregator.errors import InvalidInput
from market.api.mail import Mail, inbox

MAIL = Mail("mail", 25, "market@example.com")


@pytest.mark.parametrize(
    "address",
    [
        "a@b\r\nBcc: c@d",
        "a b@c.de",
        "@c.de",
        "a@",
        "a@b@c",
        "<a@b.c>",
        "a@b.c,d@e.f",
        "a@b.c\n",
        "=?x?q?victim?=@example.com",
        "=?utf-8?b?dmljdGlt?=@example.com",
        "=?utf-8?q??=@example.com",
        "=?utf-8?q?a=0D=0Ab?=@example.com",
        "=?utf-8?q?victim=40example.com=2Cme?=@attacker.example",
        "victim%example.com@relay.example",
        "relay!victim@example.com",
        '"victim"@example.com',
        "victim(comment)@example.com",
        ".a@example.com",
        "a..b@example.com",
        "a@-example.com",
        "a@example..com",
        "a@[127.0.0.1]",
        "ä@example.com",
        "a@exämple.com",
        "a" * 65 + "@example.com",
        "a@" + "b" * 64 + ".com",
        "a@" + "b." * 126 + "com",
    ],
)
def test_an_address_that_may_name_somebody_else_is_refused(address: str) -> None:
    with pytest.raises(InvalidInput):
        MAIL.check(address)


@pytest.mark.parametrize("address", ["ada@example.org", "a.b+c@x.y.example", "o'neil_2=x@mail", "A-B@XN--E1AFMKFD.COM"])
def test_a_plain_address_is_taken_and_written_as_it_is(address: str) -> None:
    MAIL.check(address)
    message = EmailMessage(policy=SMTP)
    message["To"] = address
    assert message.as_bytes().split(b"\r\n")[0].decode() == f"To: {address}"


@pytest.mark.parametrize("written", ["Ada@Example.org", "ada+x@example.org", "ADA+y+z@example.ORG"])
def test_addresses_of_one_inbox_count_as_one(written: str) -> None:
    assert inbox(written) == inbox("ada@example.org") != inbox("bo@example.org")


def test_a_server_without_mail_takes_no_address() -> None:
    with pytest.raises(InvalidInput, match="sends no e-mail"):
        Mail("", 25, "").check("ada@example.org")
