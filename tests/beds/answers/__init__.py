"""The right rows for the queries in tests/acceptance/googlesql, found without SQL: by pydicom, over the same files.

An answer has the name of its query and returns the rows as JSON has them.
"""

from beds.answers import arrays, cohorts, sequences, words
from beds.answers.reading import ANSWERS

__all__ = ["ANSWERS", "arrays", "cohorts", "sequences", "words"]
