"""How a step is declared."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from beds.example_steps import VolumeParameters, quality, volume
from hilum.errors import UsageError
from hilum.steps.api import NoParameters, Parameters, step


def test_the_second_argument_s_annotation_is_the_parameter_model() -> None:
    assert volume.parameters is VolumeParameters
    assert quality.parameters is NoParameters


def test_a_name_that_only_type_checkers_import_does_not_hinder_a_declaration() -> None:
    """example_steps imports Context under TYPE_CHECKING, as linters advise."""
    assert volume.name == "volume"
    assert volume.summary == "Segment."


def test_a_step_takes_its_name_from_its_function_if_it_is_given_none() -> None:
    @step()
    def bone_volume(ctx: Any) -> None:
        """Measure bone.

        At length.
        """

    assert bone_volume.name == "bone-volume"
    assert bone_volume.summary == "Measure bone."


def test_unknown_parameters_are_refused() -> None:
    with pytest.raises(ValidationError):
        VolumeParameters.model_validate({"treshold": 1})


def test_parameters_cannot_be_changed() -> None:
    with pytest.raises(ValidationError):
        VolumeParameters().threshold = 5.0  # type: ignore[misc]


@pytest.mark.parametrize("second", [int, "Unknown", "int"])
def test_a_second_argument_that_is_no_parameter_model_is_refused(second: Any) -> None:
    def bad(ctx: Any, parameters: Any) -> None: ...

    bad.__annotations__["parameters"] = second
    with pytest.raises(UsageError) as caught:
        step()(bad)
    assert caught.value.reason == "bad-step-signature"


def test_a_third_argument_is_refused() -> None:
    def bad(ctx: Any, parameters: VolumeParameters, more: int) -> None: ...

    with pytest.raises(UsageError):
        step()(bad)


def test_calling_a_step_runs_its_function_with_default_parameters() -> None:
    seen: list[BaseModel] = []

    class Wanted(Parameters):
        level: int = 2

    def record(ctx: Any, parameters: Any) -> None:
        seen.append(parameters)

    record.__annotations__["parameters"] = Wanted
    declared = step()(record)
    declared(None)  # type: ignore[arg-type]
    declared(None, Wanted(level=5))  # type: ignore[arg-type]
    assert seen == [Wanted(level=2), Wanted(level=5)]


def test_code_identity_is_package_name_and_version_or_the_source_digest() -> None:
    from dataclasses import replace

    packaged = replace(quality, package="somebody", reference="quality")
    assert packaged.code == {"package": "somebody", "step": "quality", "version": "3"}
    assert replace(quality, source="abc").code == {"step": "quality", "source": "abc"}
