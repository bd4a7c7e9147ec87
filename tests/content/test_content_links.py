"""Tokens of links: only the home can make them, and they say no more than they must."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from einklang.content.links import Claim, Use, sign, url, verify
from einklang.kernel.errors import InputError
from einklang.kernel.time import DAY, SECOND
from tests.content.content_samples import KEY, MESSAGE_KEY, NOW

CLAIMS = st.builds(
    Claim,
    st.sampled_from(Use),
    st.text("abcdefghijklmnopqrstuvwxyz234567_", min_size=1, max_size=30),
    st.integers(0, 2**40),
    st.integers(1, 2**33).map(lambda seconds: seconds * SECOND) | st.just(0),
)


def code_of(token: str, use: Use, key: bytes = KEY, now: int = 0) -> str:
    """The code with which a token is refused."""
    with pytest.raises(InputError) as caught:
        verify(key, token, use, now)
    assert caught.value.mend
    return caught.value.code


@given(CLAIMS)
def test_what_is_signed_is_what_is_read(claim: Claim) -> None:
    """verify gives back the claim of sign, and the token is the same each time."""
    token = sign(KEY, claim)
    assert token == sign(KEY, claim)
    assert verify(KEY, token, claim.use) == claim


@given(CLAIMS, st.integers(0, 10_000), st.integers(1, 255))
def test_a_changed_token_is_refused(claim: Claim, position: int, change: int) -> None:
    """Any changed byte is found (positive control: the unchanged token passes)."""
    token = sign(KEY, claim)
    raw = bytearray(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
    raw[position % len(raw)] ^= change
    forged = base64.urlsafe_b64encode(bytes(raw)).rstrip(b"=").decode()
    assert verify(KEY, token, claim.use) == claim
    assert code_of(forged, claim.use) == "bad_token"


def test_another_writing_of_the_same_bytes_is_refused() -> None:
    """Base64 leaves bits over in the last character: only the canonical writing is a token."""
    token = sign(KEY, Claim(Use.CLICK, MESSAGE_KEY, 3))
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    for char in alphabet.replace(token[-1], ""):
        assert code_of(token[:-1] + char, Use.CLICK) == "bad_token"


@pytest.mark.parametrize("made", list(Use))
def test_a_token_serves_one_use(made: Use) -> None:
    """A click token unsubscribes nobody, and so on for every pair."""
    token = sign(KEY, Claim(made, MESSAGE_KEY))
    for asked in Use:
        if asked is not made:
            assert code_of(token, asked) == "bad_token"


def test_another_home_cannot_sign() -> None:
    """A token of another key is refused."""
    assert code_of(sign(b"x" * 32, Claim(Use.UNSUBSCRIBE, MESSAGE_KEY)), Use.UNSUBSCRIBE) == "bad_token"


def test_expiry_is_sharp() -> None:
    """Valid until just before the moment, expired from it on; 0 is for ever."""
    token = sign(KEY, Claim(Use.CONFIRM, MESSAGE_KEY, 0, NOW + DAY))
    assert verify(KEY, token, Use.CONFIRM, NOW + DAY - 1).expires == NOW + DAY
    assert code_of(token, Use.CONFIRM, now=NOW + DAY) == "expired_token"
    assert verify(KEY, sign(KEY, Claim(Use.UNSUBSCRIBE, MESSAGE_KEY)), Use.UNSUBSCRIBE, 2**60).expires == 0


@pytest.mark.parametrize(
    "token", ["", "x", "ä" * 40, "A" * 19, "A" * 50, "A" * 5000, "-" * 60, "AQ==" * 20, "../" * 20]
)
def test_rubbish_is_refused(token: str) -> None:
    """No text makes verify fail in another way than bad_token."""
    assert code_of(token, Use.CLICK) == "bad_token"


@given(st.text(max_size=80))
def test_any_text_is_refused(token: str) -> None:
    """Random texts are bad tokens."""
    assert code_of(token, Use.CLICK) == "bad_token"


def test_a_token_holds_no_person() -> None:
    """The readable part is version, use, number, expiry and the message key, nothing else."""
    token = sign(KEY, Claim(Use.CLICK, MESSAGE_KEY, 7))
    raw = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
    assert raw[:-16] == bytes((1, 1, 7, 0)) + MESSAGE_KEY.encode()
    assert url("https://a.example/", KEY, Claim(Use.CLICK, MESSAGE_KEY, 7)) == f"https://a.example/c/{token}"


def test_a_weak_key_is_a_fault_of_ours() -> None:
    """Less than 16 bytes sign nothing; more than 64 are hashed, not cut."""
    with pytest.raises(ValueError, match="16 bytes"):
        sign(b"short", Claim(Use.CLICK, MESSAGE_KEY))
    claim = Claim(Use.CLICK, MESSAGE_KEY)
    assert sign(b"k" * 64 + b"a", claim) != sign(b"k" * 64 + b"b", claim)
