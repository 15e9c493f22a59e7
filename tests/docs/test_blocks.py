"""Tests of docs/blocks.md: it says what the installed block types say of themselves."""

import re
from pathlib import Path

from blocks.catalogue import Catalogue
from icefloe.reference import page

TEXT = (Path(__file__).parents[2] / "docs" / "blocks.md").read_text(encoding="utf-8")


def test_the_page_of_block_types_is_as_it_is_written_from_the_code() -> None:
    assert page(Catalogue.load()) == TEXT, "write it anew with `python -m icefloe.reference > docs/blocks.md`"


def test_every_output_and_every_code_of_an_error_is_on_the_page() -> None:
    fields = set(re.findall(r"^\| `([\w.\[\]]+)` \|", TEXT, re.MULTILINE))
    assert fields >= {"decided_by", "decisions[].comment", "receipts[].id", "body", "ended_at", "data", "payload.title"}
    codes = set(re.findall(r"`([A-Z]+_?[A-Z_]*)`", " ".join(re.findall(r"^\*\*Errors\*\*: (.*)$", TEXT, re.MULTILINE))))
    assert codes >= {"REJECTED", "BAD_CONDITION", "HTTP_STATUS", "HTTP_TIMEOUT", "MAIL_UNREACHABLE"}
