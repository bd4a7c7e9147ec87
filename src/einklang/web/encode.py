"""JSON as the API answers it: numbers stay exact numbers."""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec
from litestar import Response

T = TypeVar("T")
encode = msgspec.json.Encoder(decimal_format="number", enc_hook=str).encode


class Json(Response[T]):
    """An answer whose decimals are numbers; bytes are JSON already."""

    def render(self, content: Any, media_type: Any, enc_hook: Any = None) -> bytes:
        """The bytes of the answer."""
        return content if isinstance(content, bytes) else encode(content)
