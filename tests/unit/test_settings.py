"""Settings: three places, in order, and mistakes answered with the right word."""

from __future__ import annotations

from pathlib import Path

import pytest

from hilum.errors import UsageError
from hilum.settings import Settings, load_settings, parse_bytes


def write(home: Path, text: str) -> Path:
    (home / "hilum.toml").write_text(text)
    return home


def test_without_a_file_the_defaults_hold(tmp_path: Path) -> None:
    assert load_settings(tmp_path, {}) == Settings()


def test_flags_override_variables_which_override_the_file(tmp_path: Path) -> None:
    write(tmp_path, 'slots = 1\nsweep = 30\nlog_level = "error"')
    settings = load_settings(
        tmp_path, {"HILUM_SLOTS": "2", "HILUM_SWEEP": "7.5"}, {"slots": 3, "still": None}
    )
    assert (settings.slots, settings.sweep, settings.log_level) == (3, 7.5, "error")


def test_an_unknown_key_is_an_error_with_the_nearest_right_one(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="did you mean 'slots'") as caught:
        load_settings(write(tmp_path, "slot = 1"), {})
    assert caught.value.reason == "unknown-setting"


def test_a_variable_that_nearly_names_a_setting_is_an_error_too(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="HILUM_LEDGER"):
        load_settings(tmp_path, {"HILUM_LEGDER": "sqlite:///x"})


def test_other_variables_of_ours_are_left_alone(tmp_path: Path) -> None:
    assert load_settings(tmp_path, {"HILUM_HOME": "/x", "HILUM_REQUIRE_BEDS": "1"}) == Settings()


@pytest.mark.parametrize(
    "text",
    [
        'slots = "two"',
        "slots = true",
        "pipelines = 3",
        "pipelines = [1]",
        'log_format = "xml"',
        'memory = "much"',
        "ledger",
    ],
)
def test_a_value_of_the_wrong_kind_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(UsageError) as caught:
        load_settings(write(tmp_path, text), {})
    assert caught.value.reason == "bad-settings"


def test_a_variable_that_is_no_number_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="HILUM_SLOTS must be a number"):
        load_settings(tmp_path, {"HILUM_SLOTS": "many"})


def test_several_pipelines_in_a_variable_are_separated_like_a_path(tmp_path: Path) -> None:
    assert load_settings(tmp_path, {"HILUM_PIPELINES": "a.yaml:b.yaml"}).pipelines == ("a.yaml", "b.yaml")


def test_memory_is_written_as_kubernetes_does() -> None:
    assert parse_bytes("8Gi") == 8 << 30
    assert parse_bytes("500Mi") == 500 << 20
    assert parse_bytes("4096") == 4096
    assert Settings(memory="1Gi").memory_bytes == 1 << 30
    assert Settings().memory_bytes > 1 << 28
