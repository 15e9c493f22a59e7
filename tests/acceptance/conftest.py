"""The scene on which each acceptance test plays."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.scene import Scene


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    scene = Scene(tmp_path)
    yield scene
    scene.store.close()
