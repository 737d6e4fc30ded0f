import io
import json
import logging
import subprocess
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hilum.errors import TransientError
from hilum.kernel import logging as hilum_logging
from hilum.kernel.disclosure import FIELDS, disclosable
from hilum.kernel.logging import bound, configure, get_logger

MARKER = "MARKER^JANE"
RUN = "r-0123456789abcdef"


@pytest.fixture
def begin(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., io.StringIO]]:
    """Configures logging into a text, and puts everything back afterwards."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    for module, name in [(sys, "excepthook"), (sys, "unraisablehook"), (threading, "excepthook")]:
        monkeypatch.setattr(module, name, getattr(module, name))
    monkeypatch.setattr(hilum_logging, "_output", hilum_logging._Output())

    def start(log_format: Any = "json", level: Any = "info") -> io.StringIO:
        stream = io.StringIO()
        configure(log_format, level, stream)
        return stream

    with warnings.catch_warnings():
        warnings.simplefilter("always")
        yield start
    root.handlers[:] = handlers
    root.setLevel(level)


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_json_line_says_when_how_grave_who_what_and_about_which(begin):
    stream = begin()
    get_logger("hilum.engine").info("run started", run=RUN, instances=60)
    (line,) = lines(stream)
    assert datetime.fromisoformat(line.pop("timestamp")).tzinfo == UTC
    assert line == {
        "level": "info",
        "logger": "hilum.engine",
        "event": "run started",
        "run": RUN,
        "instances": 60,
    }


def test_on_a_terminal_a_line_is_words_first_and_fields_after(begin):
    stream = begin("console")
    get_logger("hilum.engine").info("run started", run=RUN, seconds=1.5)
    said = stream.getvalue()
    assert "run started" in said
    assert f"run={RUN}" in said
    assert "seconds=1.5" in said
    assert "\x1b" not in said, "no colours when it is piped"


def test_what_is_bound_is_on_every_line_until_the_block_ends(begin):
    stream = begin()
    log = get_logger("hilum").bind(pipeline="chest-ct")
    with bound(run=RUN), bound(step="qc"):
        log.info("task started")
    log.info("engine stopped")
    inside, outside = lines(stream)
    assert (inside["run"], inside["step"], inside["pipeline"]) == (RUN, "qc", "chest-ct")
    assert "run" not in outside
    assert outside["pipeline"] == "chest-ct"


def test_lines_below_the_level_are_not_written(begin):
    stream = begin(level="warning")
    log = get_logger("hilum")
    log.info("quiet")
    log.warning("loud")
    assert [line["event"] for line in lines(stream)] == ["loud"]


def test_a_field_that_nobody_allowed_is_left_out_and_named(begin):
    stream = begin()
    get_logger("hilum").info("series read", header={"PatientName": MARKER}, count=3)
    assert MARKER not in stream.getvalue()
    (line,) = lines(stream)
    assert line["refused"] == ["header"]
    assert line["count"] == 3


@pytest.mark.parametrize("name", sorted(FIELDS))
def test_an_allowed_field_with_a_patients_name_is_left_out(begin, name):
    stream = begin()
    get_logger("hilum").info("series read", **{name: MARKER})
    assert MARKER not in stream.getvalue()
    assert lines(stream)[0]["refused"] == [name]


@given(st.from_regex(r"[0-9]+(\.[0-9]+)+", fullmatch=True))
def test_no_field_takes_a_uid(uid):
    assert not [name for name in FIELDS if disclosable(name, uid)]


def test_a_path_of_the_home_may_be_told_and_other_text_in_its_place_not():
    assert disclosable("home", Path("/srv/hilum"))
    assert not disclosable("home", "/srv/inbox/" + MARKER)


def test_an_event_with_something_filled_in_is_withheld(begin):
    stream = begin()
    get_logger("hilum").info(f"found {MARKER}")
    assert MARKER not in stream.getvalue()
    assert lines(stream)[0]["refused"] == ["event"]


def failing() -> None:
    raise ValueError(f"bad value {MARKER!r}")


def test_an_exception_is_told_by_class_reason_and_frames_without_its_message(begin):
    stream = begin()
    try:
        failing()
    except ValueError as error:
        get_logger("hilum").error("attempt failed", error=error)
    assert MARKER not in stream.getvalue()
    told = lines(stream)[0]["error"]
    assert told["kind"] == "ValueError"
    assert told["frames"][-1].startswith("kernel/test_logging.py:")
    assert told["frames"][-1].endswith(":failing")


@pytest.mark.parametrize("log_format", ["json", "console"])
def test_hilums_own_message_is_kept_and_that_of_its_cause_is_not(begin, log_format):
    stream = begin(log_format)
    try:
        try:
            Path(f"/nowhere/{MARKER}").read_bytes()
        except OSError as error:
            raise TransientError("the store is away", reason="store-away") from error
    except TransientError as error:
        get_logger("hilum").warning("attempt failed", error=error)
    said = stream.getvalue()
    assert MARKER not in said
    assert "the store is away" in said
    assert "store-away" in said
    assert "ENOENT" in said


@pytest.mark.parametrize("level", ["info", "debug"])
def test_a_librarys_records_and_warnings_lose_their_text(begin, level):
    stream = begin(level=level)
    library = logging.getLogger("pydicom")
    library.warning("Invalid value for VR PN: %s", MARKER)
    library.error("cannot read %s", MARKER)
    warnings.warn(f"The value {MARKER} is no name", stacklevel=1)
    assert MARKER not in stream.getvalue()
    told = [(line["logger"], line["level"]) for line in lines(stream)]
    everything = [("pydicom", "debug"), ("pydicom", "error"), ("warnings", "debug")]
    assert told == (everything if level == "debug" else [("pydicom", "error")])


UNCAUGHT = f"""
import gc, threading
from hilum.kernel.logging import configure

configure("json")

class Careless:
    def __del__(self):
        raise ValueError({MARKER!r})

def fail():
    raise ValueError({MARKER!r})

threading.Thread(target=fail).start()
careless = Careless()
del careless
fail()
"""


def test_exceptions_that_nobody_caught_are_told_without_their_message():
    done = subprocess.run([sys.executable, "-c", UNCAUGHT], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert MARKER not in done.stdout + done.stderr
    assert [json.loads(line)["error"]["kind"] for line in done.stderr.splitlines()] == ["ValueError"] * 3


def test_a_command_that_logs_nothing_does_not_pay_for_structlog():
    code = (
        "import sys; from hilum.kernel.logging import *; log = get_logger('x'); log.info('unheard');"
        "configure(); log.debug('unheard'); sys.exit('structlog' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_people_are_told_what_was_audited_and_machines_its_ids_too(begin: Callable[..., io.StringIO]) -> None:
    fields = {"action": "results-exported", "actor": "person:ann", "count": 1, "digest": "a" * 64}
    for log_format in ("console", "json"):
        written = begin(log_format)
        get_logger("hilum.audit").info("audited", audit_id="u-0123456789abcdef", **fields)
        said = written.getvalue()
        assert "results-exported" in said
        assert "person:ann" in said
        assert ("u-0123456789abcdef" in said) == ("a" * 64 in said) == (log_format == "json")
