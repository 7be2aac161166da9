"""The tests quote the text; the text says what they quote."""

import inspect

import pytest

from tests.seed import test_sentences_on_arguments, test_sentences_on_results
from tests.seed.text import TEXT, squeezed

TESTS = [
    test
    for module in (test_sentences_on_arguments, test_sentences_on_results)
    for name, test in inspect.getmembers(module, inspect.isfunction)
    if name.startswith("test_")
]


@pytest.mark.parametrize("test", TESTS, ids=lambda test: test.__name__)
def test_the_docstring_of_a_sentences_test_is_in_the_text(test):
    assert squeezed(test.__doc__) in squeezed(TEXT)
