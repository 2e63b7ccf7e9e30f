"""What people read of an error."""

from __future__ import annotations

import pytest

from gandemo.errors import DataError


@pytest.mark.parametrize(
    ("message", "sentence"),
    [
        ("the count must be from 1 to 100", "The count must be from 1 to 100"),
        ("text.jpg is no picture; send another", "text.jpg is no picture; send another"),
        ("ada/my-digits holds no checkpoint", "ada/my-digits holds no checkpoint"),
        ("ada--my-digits is here already", "ada--my-digits is here already"),
        ("digits-20261123-033429-8fd756d4 is training already", "digits-20261123-033429-8fd756d4 is training already"),
        ("16-bit photos are too large", "16-bit photos are too large"),
        ("two-sided losses need a label", "Two-sided losses need a label"),
        ("", ""),
    ],
)
def test_a_sentence_begins_with_a_capital_and_a_name_as_it_is_written(message: str, sentence: str) -> None:
    assert DataError(message).sentence == sentence
    assert str(DataError(message)) == message
