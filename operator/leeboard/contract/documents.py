"""What every document between the parts has: a schema name, a version, a canonical form and a bounded encoding."""

import base64
import hashlib
import json
import zlib
from typing import Any, Self

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel

MAX_DOCUMENT_BYTES = 65_536
"""A request document must fit into an environment variable with room to spare."""


class Document(BaseModel):
    """A document that one part leaves for another."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        populate_by_name=True,
        extra="ignore",
        frozen=True,
        protected_namespaces=(),
    )

    def document(self) -> dict[str, Any]:
        """Return the JSON document: camelCase, nothing unset."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)

    def canonical(self) -> bytes:
        """Return the one byte string that equal documents share."""
        return json.dumps(self.document(), sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode()

    def encode(self) -> str:
        """Return zlib + base64url: letters, digits, `-`, `_` and `=` only, so that no shell can read it as code.

        Raises:
            ValueError: the encoded document is larger than 64 KiB.
        """
        text = base64.urlsafe_b64encode(zlib.compress(self.canonical(), 9)).decode()
        if len(text) > MAX_DOCUMENT_BYTES:
            raise ValueError(f"the request document is {len(text)} bytes long, more than {MAX_DOCUMENT_BYTES}")
        return text

    @classmethod
    def decode(cls, text: str) -> Self:
        """Read what `encode` wrote.

        Raises:
            ValueError: the text is no such document.
        """
        inflate = zlib.decompressobj()
        raw = inflate.decompress(base64.urlsafe_b64decode(text), 64 * MAX_DOCUMENT_BYTES)
        if inflate.unconsumed_tail:
            raise ValueError("the document is larger than any that Leeboard writes")
        return cls.model_validate_json(raw)


def short_hash(*parts: object, length: int = 10) -> str:
    """Return a stable hash of JSON-like parts: lower-case hexadecimal digits."""
    text = json.dumps(parts, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:length]
