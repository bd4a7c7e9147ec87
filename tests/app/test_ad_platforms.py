"""What is hashed for ad platforms, against the examples that the platforms publish, and the columns of their files."""

from __future__ import annotations

from hashlib import sha256

import pytest

from einklang.app.activation_audience import file_of
from einklang.app.activation_platforms import PLATFORMS, Address, Line, digits, google_email, name_of, plain_email

ADA = Address("Ada", "O'Brien", "São Paulo", "SP", "01310-100", "BR")


def sha(text: str) -> str:
    """SHA-256 as the standard library has it."""
    return sha256(text.encode()).hexdigest()


def cells(platform: str, line: Line | None) -> dict[str, str]:
    """The filled cells of a line by their header."""
    return {name: cell for name, cell in zip(PLATFORMS[platform].header, line or (), strict=bool(line)) if cell}


def test_meta_publishes_these() -> None:
    """Its page of customer information parameters: e-mail, phone, a first name, one with an accent, one in Hangul."""
    meta = PLATFORMS["meta"]
    assert cells("meta", meta.email(" John_Smith@gmail.com ")) == {
        "email": "62a14e44f765419d10fea99367361a727c12365e2520f32218d505ed9aa0f62f"
    }
    assert cells("meta", meta.phone("+1 (650) 555-1212")) == {
        "phone": "e323ec626319ca94ee8bff2e4c87cf613be6ea19919ed1364124e16807ab3176"
    }
    names = {"Mary": "6915771be1c5aa0c886870b6951b03d7eafc121fea0e80a5ea83beb7c449f4ec",
             "정": "8fa8cd9c440be61d0151429310034083132b35975c4bea67fdd74158eb51db14",
             "Vale\u0301ry": "08e1996b5dd49e62a4b4c010d44e4345592a863bb9f8e3976219bac29417149c"}  # fmt: skip
    assert {name: sha(name_of(name)) for name in names} == names


def test_tiktok_publishes_these() -> None:
    """Its list of supported ids: an e-mail, and a number whose published hash is that of the digits alone."""
    tiktok = PLATFORMS["tiktok"]
    assert cells("tiktok", tiktok.email("JaneDoe+news@gmail.com")) == {
        "Email_SHA256": "d6117306485ed0e50afab3ac871e98f81699151f30281527d63ff5f233656c69"
    }
    assert cells("tiktok", tiktok.phone("+374-93-828222")) == {
        "Phone_SHA256": "65b7e6dcf6f4310f8d7cbfbd78289a753062fb054d6664fb9aaac5df66a422d4"
    }
    assert tiktok.postal(ADA) is None


@pytest.mark.parametrize(
    ("text", "google", "plain"),
    [
        ("Jane.Doe+x@Gmail.com", "janedoe@gmail.com", "jane.doe+x@gmail.com"),
        ("j.d@googlemail.com", "jd@googlemail.com", "j.d@googlemail.com"),
        (" Jane.Doe+x@shop.example ", "jane.doe+x@shop.example", "jane.doe+x@shop.example"),
        ("+@gmail.com", None, "+@gmail.com"),
        ("jane@shop", None, None),
        ("a@b@shop.example", None, None),
    ],
)
def test_an_address_of_gmail_is_written_as_google_wants_it(text: str, google: str | None, plain: str | None) -> None:
    """Without points and + for gmail.com and googlemail.com alone; what is no address is not hashed."""
    assert (google_email(text), plain_email(text)) == (google, plain)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("+49 (0)151 2345 6789", "4915123456789"), ("0049-151/23456789", "4915123456789"),
        ("+1.650.555.1212", "16505551212"),
        ("0151 23456789", None), ("650 555 1212", None), ("+49 call me", None), ("+49", None),
        ("+1234567890123456", None),
    ],
)  # fmt: skip
def test_a_number_needs_its_country(text: str, wanted: str | None) -> None:
    """International numbers become their digits, at most 15 (E.164); a national one is not guessed."""
    assert digits(text) == wanted


def test_what_is_hashed_and_what_is_not() -> None:
    """Google: phone with +, names hashed, country and zip plain. Meta: all of it hashed, city and zip without signs."""
    google, meta = PLATFORMS["google"], PLATFORMS["meta"]
    assert cells("google", google.phone("+1 650 555 1212")) == {"Phone": sha("+16505551212")}
    told = {"First Name": sha("ada"), "Last Name": sha("obrien"), "Country": "BR", "Zip": "01310-100"}
    assert cells("google", google.postal(ADA)) == told
    parts = {"fn": "ada", "ln": "obrien", "ct": "sãopaulo", "st": "sp", "zip": "01310100", "country": "br"}
    assert cells("meta", meta.postal(ADA)) == {name: sha(text) for name, text in parts.items()}
    american = Address("Ada", "Byron", "", "", "94035-1234", "us")
    assert cells("meta", meta.postal(american))["zip"] == sha("94035")
    assert google.postal(Address("Ada", "Byron", zip="94035")) is None


def test_the_files_have_the_headers_of_the_platforms() -> None:
    """The header first, word by word, then one identifier a line."""
    line = PLATFORMS["google"].email("a@b.example")
    assert line is not None
    text = f"Email,Phone,First Name,Last Name,Country,Zip\n{sha('a@b.example')},,,,,\n"
    assert file_of(PLATFORMS["google"].header, [line]).decode() == text
    assert file_of(PLATFORMS["meta"].header, []) == b"email,phone,fn,ln,ct,st,zip,country\n"
    assert file_of(PLATFORMS["tiktok"].header, []) == b"Email_SHA256,Phone_SHA256\n"
