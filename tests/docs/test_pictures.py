"""The pictures in docs/images are of the pages as they are."""

from __future__ import annotations

import json

import pytest

from tests.system.screenshots import IMAGES, MADE_OF, SHAPES, TEMPLATES, digests


@pytest.mark.parametrize("name", TEMPLATES)
def test_no_picture_is_older_than_its_page(name: str) -> None:
    assert json.loads(MADE_OF.read_text())[name] == digests()[name], (
        "run `make screenshots`, and look at them"
    )
    for shape, *_ in SHAPES:
        assert (IMAGES / f"{name}-{shape}.png").exists()
