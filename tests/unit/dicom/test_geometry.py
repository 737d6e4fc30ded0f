from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from beds.real import real_file
from beds.stacks import write_stack
from hilum.dicom import phantom
from hilum.dicom.geometry import Plane, planes, require_single_volume, stack
from hilum.dicom.pixels import read_instance
from hilum.errors import StepError

ROOT = math.sqrt(0.5)


def axial(z: float, *, y: float = 0.0, **changes: object) -> Plane:
    attributes = {
        "row": (1.0, 0.0, 0.0),
        "column": (0.0, 1.0, 0.0),
        "position": (10.0, 20.0 + y, z),
        "spacing": (2.0, 3.0),
        "size": (5, 4),
    }
    return Plane(**{**attributes, **changes})  # type: ignore[arg-type]


def reason_of(*given: Plane) -> str:
    with pytest.raises(StepError) as refused:
        require_single_volume(stack(given))
    return refused.value.reason


def test_slices_in_any_order_are_stacked_along_row_cross_column() -> None:
    arranged = stack([axial(7), axial(1), axial(4)])
    assert arranged.order == (1, 2, 0)
    assert arranged.distances.tolist() == [1, 4, 7]
    assert arranged.gaps.tolist() == [3, 3]
    assert arranged.spacing == (3.0, 2.0, 3.0)
    assert arranged.regular
    assert arranged.tilt == 0


def test_the_affine_takes_the_bottom_left_voxel_of_the_first_slice_to_ras() -> None:
    affine = stack([axial(1), axial(4)]).affine
    assert (affine @ [0, 0, 0, 1]).tolist() == [-10, -(20 + 4 * 2), 1, 1]
    assert (affine @ [1, 0, 0, 1] - affine @ [0, 0, 0, 1]).tolist() == [-3, 0, 0, 0]
    assert (affine @ [0, 1, 0, 1] - affine @ [0, 0, 0, 1]).tolist() == [0, 2, 0, 0]
    assert (affine @ [0, 0, 1, 1] - affine @ [0, 0, 0, 1]).tolist() == [0, 0, 3, 0]


def test_a_single_slice_is_as_thick_as_it_says_and_1_mm_where_it_does_not() -> None:
    assert stack([axial(0, thickness=2.5)]).spacing[2] == 2.5
    assert stack([axial(0)]).spacing[2] == 1.0


def test_an_oblique_stack_keeps_its_angle() -> None:
    turned = {"column": (0.0, ROOT, ROOT)}
    step = np.array([0.0, -ROOT, ROOT]) * 4
    arranged = stack([axial(0, **turned), axial(step[2], y=step[1], **turned)])
    assert arranged.spacing[2] == pytest.approx(4)
    assert arranged.tilt == pytest.approx(0, abs=1e-9)
    np.testing.assert_allclose(arranged.affine[:3, 2], [0, 4 * ROOT, 4 * ROOT])


def test_a_tilted_gantry_shows_as_shear() -> None:
    arranged = stack([axial(3.0 * k, y=k * 3.0 * math.tan(math.radians(15))) for k in range(5)])
    assert arranged.tilt == pytest.approx(15)
    assert arranged.spacing[2] == pytest.approx(3)
    assert reason_of(*arranged.planes) == "gantry-tilt"


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ([axial(0), axial(1), axial(3)], "irregular-spacing"),
        ([axial(0), axial(1), axial(1), axial(2)], "duplicate-positions"),
        ([axial(0), axial(1), axial(0), axial(1)], "several-volumes"),
        ([axial(0), axial(0)], "duplicate-positions"),
        ([axial(0), axial(1, size=(5, 5))], "mixed-size"),
        ([axial(0), axial(1, spacing=(2.0, 2.9))], "mixed-spacing"),
        ([axial(0), axial(1, column=(0.0, ROOT, ROOT))], "mixed-orientation"),
        ([], "no-geometry"),
    ],
)
def test_what_is_not_one_regular_volume_is_refused(given: list[Plane], reason: str) -> None:
    assert reason_of(*given) == reason


def test_positions_rounded_to_tenths_of_a_millimetre_are_still_regular() -> None:
    require_single_volume(stack([axial(round(k * 5 / 3, 1)) for k in range(40)]))


def test_copies_count_how_often_each_place_is_taken() -> None:
    assert stack([axial(0), axial(2), axial(0), axial(2), axial(4)]).copies.tolist() == [2, 2, 1]


@pytest.mark.parametrize(
    "attributes",
    [
        {"ImagePositionPatient": None},
        {"ImageOrientationPatient": [1, 0, 0, 0, 1]},
        {"ImageOrientationPatient": [1, 0, 0, 1, 0, 0]},
        {"ImageOrientationPatient": [0, 0, 0, 0, 0, 0]},
        {"PixelSpacing": [0, 1]},
        {"PixelSpacing": None},
        {"NumberOfFrames": 2},
    ],
)
def test_a_header_that_does_not_place_its_image_has_no_geometry(
    attributes: dict[str, object], tmp_path: Path
) -> None:
    [path] = write_stack(tmp_path, 1, **attributes)
    with pytest.raises(StepError) as refused:
        planes(read_instance(path))
    assert refused.value.reason == "no-geometry"


@pytest.mark.parametrize("name", ["examples_ybr_color.dcm", "JPEG2000.dcm", "SC_rgb_rle.dcm"])
def test_ultrasound_and_secondary_captures_have_no_geometry(name: str) -> None:
    with pytest.raises(StepError) as refused:
        planes(read_instance(real_file(name)))
    assert refused.value.reason == "no-geometry"


def test_an_enhanced_image_has_the_planes_of_the_slices_it_was_made_from(tmp_path: Path) -> None:
    chest = phantom.chest_ct(tmp_path, slices=5, rows=16, columns=24)
    enhanced = planes(read_instance(phantom.enhanced_ct(tmp_path / "enhanced.dcm", chest)))
    classic = [planes(read_instance(path))[0] for path in chest.paths]
    assert [plane.position for plane in enhanced] == [plane.position for plane in classic]
    assert {(plane.row, plane.column, plane.spacing, plane.size) for plane in (*enhanced, *classic)} == {
        (classic[0].row, classic[0].column, classic[0].spacing, (16, 24))
    }
