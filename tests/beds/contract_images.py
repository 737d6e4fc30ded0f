"""An image for each contract, as its authors would make it, and a pipeline that runs one of each. The programs use
nothing but Python's library, so they run in the image of :mod:`beds.images` and in a plain process alike.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from beds.images import Image

NATIVE = """\
import json, os, pathlib
context = json.loads(pathlib.Path(os.environ["HILUM_CONTEXT"]).read_text())
given, out = pathlib.Path(os.environ["HILUM_IN"]), pathlib.Path(os.environ["HILUM_OUT"])
pathlib.Path(os.environ["HOME"], "thrown-away").touch()
print("::progress 0.5 halfway", flush=True)
sizes = [(given / instance["path"]).stat().st_size for instance in context["instances"]]
(out / "said.txt").write_text((given / context["needs"]["tool"]["outputs"]["said"][0]).read_text())
(out / "measurements.json").write_text(json.dumps([{"name": "bytes", "value": sum(sizes)}]))
"""

TOOL = """\
import pathlib, sys
instances, volume, out, word = sys.argv[1:]
count = len(list(pathlib.Path(instances).iterdir()))
pathlib.Path(out).write_text(f"{count} instances, {pathlib.Path(volume).read_bytes()[:2].hex()}, {word}")
"""

PACKAGE = """\
import os, pathlib, shutil
older = "MONAI_INPUTPATH" in os.environ
names = ("MONAI_INPUTPATH", "MONAI_OUTPUTPATH", "MONAI_MODELPATH") if older else (
    "HOLOSCAN_INPUT_PATH", "HOLOSCAN_OUTPUT_PATH", "HOLOSCAN_MODEL_PATH")
given, out, model = (pathlib.Path(os.environ[name]) for name in names)
slices = sorted(given.rglob("*.dcm"))
shutil.copy(slices[0], out / "segmentation.dcm")
(out / "result.json").write_text(str(len(slices)))
(out / "model.txt").write_text((model / "weights.bin").read_text())
"""

MODULE = """\
import json, os, pathlib, shutil
given, out = pathlib.Path(os.environ["MERCURE_IN_DIR"]), pathlib.Path(os.environ["MERCURE_OUT_DIR"])
task = json.loads((given / "task.json").read_text())
settings = {"sigma": 7, "series_offset": 1000} | task["process"]["settings"]
series = {}
for entry in sorted(os.scandir(given), key=lambda entry: entry.name):
    if entry.name.endswith(".dcm"):
        series.setdefault(entry.name.split("#", 1)[0], []).append(entry.name)
for uid, files in series.items():
    shutil.copy(given / files[0], out / f"{uid}.9#{files[0].split('#', 1)[1]}")
shutil.copy(given / "task.json", out)
(out / "result.json").write_text(json.dumps({"Lung Volume": 3.5, "sigma": settings["sigma"],
    "series": len(series), "PatientName": "Doe^Jane", "nested": {"a": 1}, "nothing": None}))
"""

APP = """\
import argparse, json, pathlib
parser = argparse.ArgumentParser()
parser.add_argument("bids_dir", type=pathlib.Path)
parser.add_argument("output_dir", type=pathlib.Path)
parser.add_argument("analysis_level", choices=["participant", "group"])
parser.add_argument("--participant_label", nargs="+")
parser.add_argument("--work-dir", type=pathlib.Path)
arguments = parser.parse_args()
arguments.work_dir.joinpath("thrown-away").touch()
assert json.loads((arguments.bids_dir / "dataset_description.json").read_text())["BIDSVersion"]
for subject in sorted(arguments.bids_dir.glob("sub-*")):
    out = arguments.output_dir / subject.name / "anat"
    out.mkdir(parents=True)
    images = sorted(path.name for path in subject.rglob("*.nii.gz"))
    (out / f"{subject.name}_desc-count.json").write_text(json.dumps(images))
(arguments.output_dir / "dataset_description.json").write_text("{}")
"""

PIPELINE = """
name: contracts
steps:
  nifti: {uses: nifti}
  tool:
    image: bed/tool:1
    contract: command
    needs: [nifti]
    args: ["{instances}", "{nifti.nifti}/volume.nii.gz", "{out}/said.txt", "{with.word}"]
    with: {word: hello}
    outputs: {said: said.txt}
  native:
    image: bed/native:1
    needs: [tool]
    measurements: {bytes: {kind: integer, unit: By}}
  package: {image: "bed/package:1", contract: map, model: weights.bin}
  module:
    image: bed/module:1
    contract: mercure
    with: {sigma: 2}
    measurements: {lung_volume: {unit: mL}, sigma: {kind: integer}}
  app:
    image: bed/app:1
    contract: bids-app
    needs: [nifti]
    with: {suffix: T1w}
    args: [--work-dir, /scratch]
"""
"""For an MR series (``phantom.mr_series``), with a file ``weights.bin`` beside it."""


def manifests(command: Any, **app: Any) -> dict[str, str]:
    """Those of a MONAI package, as the packager of the current specification writes them."""
    manifest = {
        "apiVersion": "1.0.0",
        "command": command,
        "environment": {"HOLOSCAN_INPUT_PATH": "input/", "HOLOSCAN_WORKDIR": "/var/holoscan", "EXTRA": "1"},
        "input": {"path": "input/", "formats": ["file"]},
        "output": {"path": "output/", "formats": ["file"]},
        "workingDirectory": "/var/holoscan",
        **app,
    }
    package = {
        "apiVersion": "1.0.0",
        "applicationRoot": "/opt/holoscan/app",
        "modelRoot": "/opt/holoscan/models",
    }
    return {"/etc/holoscan/app.json": json.dumps(manifest), "/etc/holoscan/pkg.json": json.dumps(package)}


def older_manifests(command: Any) -> dict[str, str]:
    """Those of a MONAI package, as the first packager wrote them."""
    manifest = {
        "command": command,
        "input": {"path": "input", "formats": []},
        "output": {"path": "output", "format": {}},
        "working-directory": "/var/monai/",
    }
    package = {"application-root": "/opt/monai/app", "model-root": "/opt/monai/models"}
    return {"/etc/monai/app.json": json.dumps(manifest), "/etc/monai/pkg.json": json.dumps(package)}


def images() -> list[Image]:
    """The images that :data:`PIPELINE` names."""
    programs: Mapping[str, str] = {"tool": TOOL, "native": NATIVE, "module": MODULE, "app": APP}
    package = manifests(json.dumps(["python3", "/opt/holoscan/app/run.py"]))
    return [
        *(
            Image(f"bed/{name}:1", {"/step": f"#!/usr/bin/python3\n{program}"}, entrypoint=["/step"])
            for name, program in programs.items()
        ),
        Image("bed/package:1", {"/opt/holoscan/app/run.py": PACKAGE, **package}),
    ]
