"""preview renders every image of pydicom's wheel, but for those listed here with the reason."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pydicom
import pydicom.data
import pytest
from PIL import Image

from beds.contexts import run_step
from hilum.errors import StepError
from hilum.steps.builtin.preview import preview

FILES = Path(pydicom.data.__file__).parent / "test_files"

REFUSED = {
    "JPEG2000-embedded-sequence-delimiter.dcm": "undecodable",  # its code stream is damaged on purpose
    "MR_truncated.dcm": "pixel-data-short",
    "badVR.dcm": "bad-header",  # Number of Frames is "1A"
    "meta_missing_tsyntax.dcm": "bad-header",  # shreds for parser tests, without Bits Allocated
    "nested_priv_SQ.dcm": "bad-header",
}
NO_IMAGE = "no-pixel-data"
JPEG_LS_NEAR = "1.2.840.10008.1.2.4.81"

COLOUR_BARS = [path for path in sorted(FILES.glob("SC_*.dcm")) if "small_odd" not in path.name]
COLOURS = [(255, 0, 0), (255, 128, 128), (0, 255, 0), (128, 255, 128), (0, 0, 255), (128, 128, 255)]


@pytest.mark.parametrize("path", sorted(FILES.glob("*.dcm")), ids=lambda path: path.name)
def test_a_real_image_is_rendered_or_refused_with_its_reason(path: Path, tmp_path: Path) -> None:
    reason = REFUSED.get(path.name)
    if reason is None and "PixelData" not in pydicom.dcmread(path, force=True):
        reason = NO_IMAGE
    if reason is not None:
        with pytest.raises(StepError) as caught:
            run_step(preview, [path], tmp_path)
        assert caught.value.reason == reason
        return
    output = run_step(preview, [path], tmp_path).output_folder
    middle = np.asarray(Image.open(output / "middle.png"))
    assert middle.max() > middle.min()


@pytest.mark.parametrize("path", COLOUR_BARS, ids=lambda path: path.name)
def test_colour_bars_have_their_colours_in_every_encoding(path: Path, tmp_path: Path) -> None:
    header = pydicom.dcmread(path, stop_before_pixels=True)
    if header.Rows != 100:
        assert header.Rows == 256  # another picture
        return
    middle = np.asarray(Image.open(run_step(preview, [path], tmp_path).output_folder / "middle.png"))
    if int(header.get("NumberOfFrames") or 1) == 2:
        middle = 255 - middle  # of two frames the second is the negative
    syntax = str(header.file_meta.TransferSyntaxUID)
    # Lossless RGB is exact; near-lossless JPEG-LS is off by its stated error; YBR is rounded, and mostly lossy.
    off = 5 if header.PhotometricInterpretation.startswith("YBR") else 2 if syntax == JPEG_LS_NEAR else 0
    for bar, colour in enumerate(COLOURS):
        assert np.abs(middle[5 + 10 * bar, 50].astype(int) - colour).max() <= off, bar
