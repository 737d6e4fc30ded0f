"""What holds for every contract: names without patients, files that any user can read, originals untouched."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from beds.contract_images import manifests
from beds.contract_jobs import Attempt, instances_of, needed, step_plan
from hilum.dicom import phantom
from hilum.errors import UsageError
from hilum.model.subject import Scope
from hilum.steps.builtin.nifti import nifti
from hilum.steps.contracts import CONTRACTS, contract_of

PATIENT = "Doe^Jane 1970-01-01"


@pytest.fixture
def attempt(request: pytest.FixtureRequest, tmp_path: Path) -> Attempt:
    """An attempt whose input files have the names of patients, and cannot be read by everybody."""
    phantom.chest_ct(tmp_path / "dicom", slices=4, rows=16, columns=16)
    paths = [
        path.rename(path.with_name(f"{PATIENT} {number}.dcm"))
        for number, path in enumerate(sorted((tmp_path / "dicom").iterdir()))
    ]
    for path in paths[:2]:
        path.chmod(0o600)
    given = needed(tmp_path / "needed", {"nifti": {"volume.nii.gz": "x"}, "sidecar": {"volume.json": "{}"}})
    plan = step_plan(
        request.param,
        parameters={"suffix": "T1w"} if request.param == "bids-app" else {},
        needs=["nifti"],
        facts=manifests("run"),
        command=("run", "{in}") if request.param == "command" else None,
    )
    both = [*instances_of(paths[:3], "1.2.3"), *instances_of(paths[3:], "1.2.4")]
    return Attempt(plan, tmp_path / "attempt", both, {"nifti": given}, Scope.STUDY)


every = pytest.mark.parametrize("attempt", CONTRACTS, indirect=True)


@every
def test_no_name_of_a_patients_file_gets_into_a_container(attempt: Attempt) -> None:
    for name in attempt.stage():
        assert re.fullmatch(r"[A-Za-z0-9_.#/-]+", name)
        if name.endswith((".json", "README")):
            assert PATIENT not in (attempt.inputs / name).read_text()


@every
def test_another_user_can_read_all_of_it(attempt: Attempt) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can become another user")
    staged = attempt.stage()
    before = os.umask(0o022)
    folder = Path(f"/tmp/hilum-contracts-{os.getpid()}")  # where other users may go
    try:
        attempt.inputs.rename(folder)
        command = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "cat", *staged]
        done = subprocess.run(command, cwd=folder, capture_output=True, check=False)
        assert done.returncode == 0, done.stderr
        assert len(done.stdout) == sum((folder / name).stat().st_size for name in staged)
    finally:
        os.umask(before)
        subprocess.run(["rm", "-rf", folder], check=True)


@every
def test_originals_are_as_they_were(attempt: Attempt) -> None:
    paths = [instance.path for instance in attempt.instances]
    before = [(path.stat().st_mode, path.stat().st_mtime_ns, path.read_bytes()) for path in paths]
    attempt.stage()
    assert [(path.stat().st_mode, path.stat().st_mtime_ns, path.read_bytes()) for path in paths] == before


@every
def test_what_can_work_has_no_problem(attempt: Attempt) -> None:
    assert attempt.plan.image is not None
    needs = {"nifti": nifti.outputs}
    assert (
        list(attempt.contract.problems(attempt.plan.image, Scope.STUDY, needs, attempt.plan.parameters)) == []
    )


@every
def test_a_container_is_started_the_same_way_for_every_subject(attempt: Attempt) -> None:
    invocation = attempt.contract.invocation(attempt.plan)
    targets = [mount.target for mount in invocation.mounts]
    assert len(set(targets)) == len(targets)
    assert {mount.folder for mount in invocation.mounts} == {"in", "out", "scratch"}
    assert all(target.startswith("/") and not target.endswith("/") for target in targets)


@pytest.mark.parametrize("name", CONTRACTS)
def test_a_contract_says_who_it_is_and_where_its_facts_are_from(name: str) -> None:
    contract = contract_of(name)
    assert contract.name == name
    assert contract.version
    assert "https://" in contract.source or (Path(__file__).parents[4] / contract.source).is_file()


def test_a_wrong_contract_is_told_with_the_nearest() -> None:
    with pytest.raises(UsageError) as refused:
        contract_of("natve")
    assert "'native'" in refused.value.hint
