from __future__ import annotations

from pathlib import Path

import numpy as np
import pydicom
import pytest

from beds.real import real_file, real_series
from beds.stacks import write_stack
from hilum.dicom import phantom
from hilum.dicom.series import ImageSeries
from hilum.errors import StepError


def test_a_volume_holds_the_phantoms_hounsfield_units_in_documented_order(tmp_path: Path) -> None:
    chest = phantom.chest_ct(tmp_path, slices=6, rows=20, columns=28)
    volume = ImageSeries(chest.paths).volume()
    assert volume.array.shape == (28, 20, 6)
    assert volume.array.dtype == np.int16
    assert volume.unit == "[hnsf'U]"
    np.testing.assert_array_equal(volume.array, chest.values[:, ::-1, :].transpose(2, 1, 0))
    np.testing.assert_allclose(
        volume.spacing, (chest.grid.pixel_spacing[1], chest.grid.pixel_spacing[0], chest.grid.slice_spacing)
    )


def test_the_affine_puts_a_voxel_where_the_header_does(tmp_path: Path) -> None:
    chest = phantom.chest_ct(tmp_path, slices=6, rows=20, columns=28, orientation="oblique")
    volume = ImageSeries(chest.paths).volume()
    x, y, z = chest.grid.position(4)
    np.testing.assert_allclose(volume.affine @ [0, 19, 4, 1], [-x, -y, z, 1], atol=1e-3)


def test_the_order_of_files_makes_no_difference(tmp_path: Path) -> None:
    paths = write_stack(tmp_path)
    forward, backward = ImageSeries(paths).volume(), ImageSeries(paths[::-1]).volume()
    np.testing.assert_array_equal(forward.array, backward.array)
    np.testing.assert_array_equal(forward.affine, backward.affine)
    assert forward.instances == backward.instances
    assert list(forward.instances) == [pydicom.dcmread(path).SOPInstanceUID for path in paths]


def test_a_slice_is_contiguous_in_memory(tmp_path: Path) -> None:
    assert ImageSeries(write_stack(tmp_path)).volume().array[:, :, 2].T.flags.c_contiguous


def test_the_array_widens_when_a_later_slice_does_not_fit(tmp_path: Path) -> None:
    paths = write_stack(tmp_path, RescaleSlope=lambda number: 1 + 99 * (number == 3))
    volume = ImageSeries(paths).volume()
    assert volume.array.dtype == np.int32
    stored = pydicom.dcmread(paths[3]).pixel_array.astype(np.int64)
    np.testing.assert_array_equal(volume.array[:, ::-1, 3].T, stored * 100 - 1024)


def test_headers_and_volume_are_read_once(tmp_path: Path) -> None:
    series = ImageSeries(write_stack(tmp_path))
    volume, datasets = series.volume(), series.datasets
    for path in series.paths:
        path.unlink()
    assert series.volume() is volume
    assert series.datasets is datasets
    assert len(series) == 5


def test_instances_without_pixels_are_no_images() -> None:
    series = ImageSeries([real_file("test-SR.dcm"), real_file("CT_small.dcm"), real_file("rtplan.dcm")])
    assert [image.Modality for image in series.images] == ["CT"]
    assert series.volume().array.shape == (128, 128, 1)


def test_an_empty_series_is_refused() -> None:
    with pytest.raises(StepError) as refused:
        ImageSeries([]).volume()
    assert refused.value.reason == "no-pixel-data"


def test_reading_a_series_says_nothing_of_its_headers(
    recwarn: pytest.WarningsRecorder, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(StepError) as refused:
        ImageSeries([real_file("badVR.dcm")]).volume()
    assert "1A" not in str(refused.value)
    assert not recwarn.list
    assert not caplog.records


def test_a_real_gated_ct_is_one_volume() -> None:
    volume = ImageSeries(real_series()["dicomdirtests/98892001/CT5N/2062"]).volume()
    assert volume.array.shape == (16, 16, 5)
    assert volume.spacing[2] == pytest.approx(2.5)
    assert len(set(volume.instances)) == 5
