import io
import json
import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

from hilum.audit import ACTIONS, Actor, audit, person
from hilum.audit.events import Audited
from hilum.audit.log import NAME, tell
from hilum.kernel import logging as hilum_logging

NOW = datetime(2026, 1, 1, tzinfo=UTC)
ENTRY = "q-0123456789abcdef"
DIGEST = "ab" * 32


def test_only_what_is_on_the_list_is_audited():
    with pytest.raises(ValueError, match="not audited"):
        Audited("coffee-made", Actor("person", "ann"), NOW)


def test_the_page_lists_what_is_audited():
    page = Path(__file__).parents[3] / "docs" / "how-to" / "observe.md"
    assert set(re.findall(r"^\| `([a-z-]+)` \| [a-z]", page.read_text(), re.MULTILINE)) == set(ACTIONS)


def test_a_row_is_the_same_for_the_same_deed_and_another_for_the_next():
    deed = Audited("quarantine-released", Actor("person", "ann"), NOW, ENTRY, DIGEST)
    again = Audited("quarantine-released", Actor("person", "ben"), NOW, ENTRY, DIGEST)
    assert deed.row == deed.row
    assert deed.row["_row_id"] != again.row["_row_id"]


def test_nothing_is_told_of_what_was_done_to_nothing():
    assert audit("runs-retried", Actor("person", "ann"), NOW, what=[]) == {}
    (row,) = audit("runs-retried", Actor("person", "ann"), NOW, what=["r-2", "r-1"])["audit"]
    assert (row["what"], row["count"]) == ("r-1", 2)


def test_who_acts_is_the_account_that_is_set_else_the_user_of_the_process():
    assert str(person("hilum@project.iam.gserviceaccount.com")) == (
        "service:hilum@project.iam.gserviceaccount.com"
    )
    assert person().kind == "person"
    assert person().name


@pytest.mark.parametrize("action", sorted(ACTIONS))
def test_every_action_is_told_in_a_log_of_its_own_with_nothing_refused(action, monkeypatch):
    stream = io.StringIO()
    monkeypatch.setattr(hilum_logging, "_output", hilum_logging._Output())
    hilum_logging._output.begin("google", 20, stream)
    rows = audit(action, Actor("system", "node-1/17/20260101T000000"), NOW, what=[ENTRY], digest=DIGEST)
    tell(rows["audit"])
    line = json.loads(stream.getvalue())
    labels = line["logging.googleapis.com/labels"]
    assert (labels["logger"], labels["action"]) == (NAME, action)
    assert labels["actor"] == "system:node-1/17/20260101T000000"
    assert line["logging.googleapis.com/insertId"] == rows["audit"][0]["audit_id"]
    assert (line["quarantine_id"], line["digest"], line["at"]) == (ENTRY, DIGEST, NOW.isoformat())
    assert "refused" not in line
