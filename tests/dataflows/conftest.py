"""The engine in slow motion that most tests of this room play with."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.dataflows.driver import Rig, rigged


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    with rigged(tmp_path) as rig:
        yield rig
