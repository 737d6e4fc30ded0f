"""Finding steps by what ``uses`` says."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from beds import example_steps
from hilum.errors import UsageError
from hilum.kernel.digest import digest_file
from hilum.steps.api import Step, step
from hilum.steps.registry import StepRegistry

FILE = Path(example_steps.__file__).resolve()
BONES = """
from hilum.steps.api import step

@step("bones", version="2")
def bones(ctx):
    "Find bones."

def plain(ctx): ...
"""


@pytest.fixture
def registry() -> StepRegistry:
    return StepRegistry()


@pytest.fixture
def bones(tmp_path: Path) -> Path:
    path = tmp_path / "bones.py"
    path.write_text(BONES)
    return path


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An installed distribution that offers steps: a working one, one that is none, one that cannot be imported."""
    folder = tmp_path / "site"
    info = folder / "orthobones-1.4.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: orthobones\nVersion: 1.4\n")
    (info / "entry_points.txt").write_text(
        "[hilum.steps]\nbones = orthobones:bones\nodd = orthobones:plain\nbroken = orthobones_broken:x\n"
        "qc = orthobones:bones\n"
    )
    (folder / "orthobones.py").write_text(BONES)
    (folder / "orthobones_broken.py").write_text("import a_package_that_nobody_has\n")
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.delitem(sys.modules, "orthobones", raising=False)
    return folder


def reason(registry: StepRegistry, uses: str | Step, base: Path | None = None) -> UsageError:
    with pytest.raises(UsageError) as caught:
        registry.get(uses, base)
    return caught.value


def test_the_built_in_steps_are_known_without_importing_any() -> None:
    program = (
        "import sys; from hilum.steps.registry import StepRegistry\n"
        "print(*StepRegistry().names()); print(any('steps.builtin' in name for name in sys.modules))"
    )
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert said.split() == ["intensity", "nifti", "preview", "qc", "False"]


def test_a_step_of_an_installed_package_is_found_by_its_entry_point(package: Path) -> None:
    found = StepRegistry().get("bones")
    assert found.reference == "bones"
    assert found.code == {"package": "orthobones", "step": "bones", "version": "2"}


def test_a_step_that_two_packages_offer_is_refused(package: Path) -> None:
    error = reason(StepRegistry(), "qc")
    assert error.reason == "ambiguous-step"
    assert "hilum, orthobones" in error.message


def test_an_installed_step_that_is_no_step_or_cannot_be_imported_says_so(package: Path) -> None:
    assert reason(StepRegistry(), "odd").reason == "not-a-step"
    broken = reason(StepRegistry(), "broken")
    assert broken.reason == "step-import"
    assert "a_package_that_nobody_has" in broken.message


def test_an_unknown_step_is_answered_with_the_nearest(registry: StepRegistry) -> None:
    error = reason(registry, "preveiw")
    assert error.reason == "unknown-step"
    assert error.hint == "did you mean 'preview'?"


def test_a_local_step_is_found_in_its_file_and_its_identity_is_the_file_s_digest(
    registry: StepRegistry, bones: Path
) -> None:
    found = registry.get("./bones.py:bones", bones.parent)
    assert found.reference == f"{bones}:bones"
    assert found.code == {"step": "bones", "source": digest_file(bones)}
    assert registry.get(found.reference) == found


def test_a_local_file_is_executed_once_for_each_content(registry: StepRegistry, bones: Path) -> None:
    bones.write_text(BONES + "import pathlib; pathlib.Path(__file__ + '.log').open('a').write('x')\n")
    first = registry.get("./bones.py:bones", bones.parent)
    assert StepRegistry().get(f"{bones}:bones") == first
    log = bones.with_name("bones.py.log")
    assert log.read_text() == "x"

    bones.write_text(bones.read_text().replace('bones."', 'thigh."'))
    second = registry.get("./bones.py:bones", bones.parent)
    assert (first.summary, second.summary) == ("Find bones.", "Find thigh.")
    assert second.source != first.source
    assert log.read_text() == "xx"


def test_mistakes_in_a_local_reference_are_told(registry: StepRegistry, bones: Path) -> None:
    folder = bones.parent
    assert reason(registry, "./bone.py:bones", folder).reason == "step-file"
    assert reason(registry, "./bones.py", folder).reason == "bad-step-reference"
    assert reason(registry, "./bones.py:", folder).reason == "bad-step-reference"
    assert reason(registry, "./bones.py:bonse", folder).hint == "did you mean 'bones'?"
    undecorated = reason(registry, "./bones.py:plain", folder)
    assert undecorated.reason == "not-a-step"
    assert "@hilum.step" in undecorated.hint


def test_a_local_file_that_cannot_be_imported_says_why_and_can_be_mended(
    registry: StepRegistry, bones: Path
) -> None:
    bones.write_text("import a_package_that_nobody_has\n" + BONES)
    before = set(sys.modules)
    error = reason(registry, "./bones.py:bones", bones.parent)
    assert error.reason == "step-import"
    assert "a_package_that_nobody_has" in error.message
    assert set(sys.modules) == before
    bones.write_text(BONES)
    assert registry.get("./bones.py:bones", bones.parent).name == "bones"


def test_a_step_object_is_found_again_in_its_file_by_another_process(registry: StepRegistry) -> None:
    located = registry.get(example_steps.volume)
    assert located.reference == f"{FILE}:volume"
    assert located.code == {"step": "volume", "source": digest_file(FILE)}
    program = "import sys; from hilum.steps.registry import StepRegistry; print(StepRegistry().get(sys.argv[1]).code)"
    said = subprocess.run(
        [sys.executable, "-c", program, located.reference], capture_output=True, text=True, check=True
    ).stdout
    assert said.strip() == str(located.code)


def test_a_step_object_under_another_name_than_its_function_s_is_found_by_that_name(
    registry: StepRegistry, tmp_path: Path
) -> None:
    path = tmp_path / "renamed.py"
    path.write_text(BONES.replace('@step("bones", version="2")\n', "") + 'femur = step("femur")(bones)\n')
    femur = registry.get(f"{path}:femur")
    again = sys.modules[femur.function.__module__].femur
    assert registry.get(again).reference == f"{path}:femur"


def test_an_imported_built_in_step_object_is_the_registered_one(registry: StepRegistry) -> None:
    from hilum.steps.builtin.qc import qc

    assert registry.get(qc) == registry.get("qc")
    assert registry.get(qc).reference == "qc"


def test_a_step_without_a_source_file_is_refused(registry: StepRegistry) -> None:
    namespace: dict[str, Any] = {"__name__": "__main__"}
    exec(compile(BONES, "<stdin>", "exec"), namespace)
    error = reason(registry, namespace["bones"])
    assert error.reason == "step-without-file"


def test_a_step_inside_a_function_is_refused(registry: StepRegistry) -> None:
    @step()
    def inner(ctx: object) -> None: ...

    assert reason(registry, inner).reason == "nested-step"


def test_a_registered_step_is_known_by_its_name_and_names_are_not_taken_twice(
    registry: StepRegistry, bones: Path
) -> None:
    located = registry.register(example_steps.quality)
    assert registry.get("quality") == located
    assert "quality" in registry.names()
    assert registry.register(example_steps.quality) == located
    bones.write_text(BONES.replace('"bones"', '"quality"'))
    with pytest.raises(UsageError) as caught:
        registry.register(registry.get(f"{bones}:bones"))
    assert caught.value.reason == "step-name-taken"
    bones.write_text(BONES.replace('"bones"', '"qc"'))
    with pytest.raises(UsageError):
        registry.register(registry.get(f"{bones}:bones"))
