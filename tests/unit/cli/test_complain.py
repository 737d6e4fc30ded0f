import errno

import click
import pytest

from hilum.cli.complain import complain
from hilum.errors import TerminalError, TransientError, UsageError


def parse(value):
    try:
        return {}[value]
    except KeyError as error:
        raise ValueError(f"{value} has no such thing") from error


def test_an_error_of_ours_is_a_line_and_a_line_of_help(capsys):
    assert complain(UsageError("there is nothing", hint="look elsewhere")) == 2
    assert capsys.readouterr().err == "hilum: there is nothing\n  help: look elsewhere\n"
    assert complain(TransientError("not today")) == 1
    assert capsys.readouterr().err == "hilum: not today\n"


def test_several_lines_stay_together(capsys):
    assert complain(TerminalError("a.yaml:1: one\na.yaml:2: two")) == 1
    assert capsys.readouterr().err == "hilum: a.yaml:1: one\n       a.yaml:2: two\n"


def test_an_unexpected_error_says_where_it_came_from_and_nothing_of_what_it_quotes(capsys):
    with pytest.raises(ValueError, match="Doe") as caught:
        parse("Doe^Jane")
    assert complain(caught.value) == 1
    said = capsys.readouterr().err
    assert "something went wrong that should not have: ValueError" in said
    assert "because of: KeyError" in said
    assert "test_complain.py:" in said
    assert ":parse" in said
    assert "please report it" in said
    assert "Doe" not in said


def test_a_full_disk_is_no_mistake_of_ours(capsys):
    assert complain(OSError(errno.ENOSPC, "x")) == 1
    assert "no space left" in capsys.readouterr().err


def test_being_interrupted_is_told_with_what_follows(capsys):
    assert complain(KeyboardInterrupt()) == 130
    assert "the next run goes on from here" in capsys.readouterr().err


def test_an_exit_is_quiet(capsys):
    assert complain(click.exceptions.Exit(1)) == 1
    assert complain(SystemExit(3)) == 3
    assert capsys.readouterr().err == ""
