from collections.abc import Iterator

import pytest

from tests.support.web import Web, web


@pytest.fixture
def served() -> Iterator[Web]:
    with web() as told:
        yield told
