import pickle
import re

import pytest

from hilum import errors
from hilum.errors import HilumError, TerminalError, TransientError

KINDS = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, HilumError)]


def test_an_error_reads_as_what_went_wrong_and_what_to_do():
    assert str(TerminalError("the home is locked", hint="stop the other engine")) == (
        "the home is locked (stop the other engine)"
    )
    assert str(TerminalError("the home is locked")) == "the home is locked"


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_has_a_stable_reason_and_says_whether_to_try_again(kind):
    error = kind("something")
    assert re.fullmatch(r"[a-z]+(-[a-z]+)*", error.reason)
    assert error.transient == issubclass(kind, TransientError)


def test_a_reason_given_to_one_error_is_its_own():
    assert TerminalError("x", reason="no-pixels").reason == "no-pixels"
    assert TerminalError.reason == "terminal"


@pytest.mark.parametrize("kind", KINDS)
def test_an_error_comes_back_whole_from_another_process(kind):
    sent = kind("something", reason="no-pixels", hint="look at the header")
    came = pickle.loads(pickle.dumps(sent))
    assert type(came) is kind
    assert (came.message, came.reason, came.hint) == (sent.message, sent.reason, sent.hint)
    assert str(came) == str(sent)
