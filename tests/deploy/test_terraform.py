"""The Terraform configuration: what can be held against it without Google's provider and without a project.

Not proven here: that Google accepts what is applied. The provider's own checks of values (which arguments exclude
each other, which regions there are) run with `terraform validate` and `plan`, which need the provider.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from google_access import grants
from terraform import Module, literal, modules, read

from beds.terraform import access, against_schema, graph, secrets, written
from beds.terraform.fixtures import ROOT
from beds.terraform.policies import Checkov
from beds.terraform.provider import Schema
from hilum.kernel.trace import Sampling, sampling
from hilum.ops import cloud_trace

MONITORING = ROOT.parent / "monitoring"
FUNCTIONS = ROOT.parents[1] / "functions"
ENDPOINT = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"
HEAD = 'terraform {\n  required_version = ">= 1.9"\n}\n'


def module_of(folder: Path, text: str, name: str = "main.tf") -> Module:
    """A module of one file."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(text)
    return read(folder)


def test_files_are_written_as_terraform_writes_them() -> None:
    """Terraform decides where it is; else two rules of its own are looked at, see beds/terraform/written.py."""
    assert [said for file in sorted(ROOT.rglob("*.tf")) for said in written.faults(file)] == []
    if program := shutil.which("terraform"):
        done = subprocess.run(
            [program, "fmt", "-check", "-recursive", "-no-color", ROOT],
            capture_output=True,
            text=True,
            check=False,
        )
        assert (done.returncode, done.stdout) == (0, "")


def test_every_name_type_and_required_argument_is_the_providers(
    configuration: list[Module], google_schema: Schema
) -> None:
    assert [said for each in configuration for said in against_schema.faults(each, google_schema)] == []
    assert sum(len(each.of("resource")) for each in configuration) > 60


def test_modules_ask_for_the_provider_that_they_were_checked_against(
    configuration: list[Module], google_schema: Schema
) -> None:
    wanted = "~> " + google_schema.provider.rpartition(".")[0]
    for module in configuration:
        [terraform] = [each for each in module.of("terraform") if "required_providers" in each.body]
        [providers] = terraform.body["required_providers"]
        assert literal(providers["google"]["version"]) == wanted, module.folder


def test_references_lead_somewhere_and_nothing_is_left_over(configuration: list[Module]) -> None:
    assert graph.faults(configuration) == []


def test_no_secret_is_in_plain_text_or_in_the_state(configuration: list[Module]) -> None:
    assert secrets.faults(configuration) == []


def test_every_role_has_a_reason_and_none_is_a_basic_one(configuration: list[Module]) -> None:
    assert access.faults(configuration) == []
    assert sum(len(grants(each)) for each in configuration) > 20


def test_checkov_finds_nothing_that_is_not_excused_with_a_reason(checkov: Checkov) -> None:
    said = checkov(ROOT)
    assert said.failed == ()
    assert said.passed > 150
    assert said.skipped
    for check, reason in said.skipped:
        assert len(reason.split()) >= 5, f"{check} is excused without a reason"


def test_every_module_has_what_it_consists_of(configuration: list[Module]) -> None:
    for module in configuration:
        present = {file.name for file in module.folder.glob("*.tf")}
        assert present >= {"main.tf", "variables.tf", "outputs.tf", "versions.tf"}, module.folder
        for output in module.of("output"):
            assert "description" in output.body, output.place


class TestContracts:
    """What the configuration takes for granted of other parts of the project."""

    def test_functions_get_the_variables_that_their_pages_name(self) -> None:
        text = (ROOT / "modules" / "functions" / "main.tf").read_text()
        given = set(re.findall(r"^ +(HILUM_\w+|THREADS) +=", text, re.MULTILINE))
        documented: set[str] = set()
        for page in sorted(FUNCTIONS.glob("*/README.md")):
            rows = re.findall(r"^\| `(\w+)` \| (.*) \|$", page.read_text(), re.MULTILINE)
            documented |= {name for name, _ in rows}
            assert {name for name, meaning in rows if meaning.endswith("required")} <= given
        assert given <= documented

    def test_traces_begin_at_the_function_where_its_account_may_write_them(self) -> None:
        [functions] = read(ROOT / "modules" / "functions").of("locals")
        given = functions.body["functions"]["intake"]["environment"]
        endpoint = literal(given["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"])
        assert endpoint is not None
        assert sampling(literal(given["HILUM_TELEMETRY"]) or "", {ENDPOINT: endpoint}) == Sampling()
        assert cloud_trace.session(endpoint) is not None
        assert given["OTEL_RESOURCE_ATTRIBUTES"] == '"gcp.project_id=${var.project}"'
        production = read(ROOT / "examples" / "production").named("module")
        assert '"intake"' in production["identities"].body["tracing"]
        assert f'"{cloud_trace.HOST}"' in production["project"].body["apis"]

    def test_alerts_have_what_the_module_reads(self) -> None:
        text = (ROOT / "modules" / "monitoring" / "main.tf").read_text()
        top = set(re.findall(r"each\.value\.(\w+)", text))
        conditions = set(re.findall(r"conditionPrometheusQueryLanguage\.(\w+)", text))
        files = sorted((MONITORING / "alerts").glob("*.json"))
        assert files
        for file in files:
            policy = json.loads(file.read_text())
            assert policy.keys() == top, file
            for condition in policy["conditions"]:
                assert condition["conditionPrometheusQueryLanguage"].keys() == conditions, file
        json.loads((MONITORING / "dashboard.json").read_text())

    def test_settings_of_the_machine_are_hilums(self) -> None:
        from dataclasses import fields

        from hilum.settings import Settings

        text = "".join(file.read_text() for file in sorted((ROOT / "examples").rglob("*.tf")))
        named = {name.lower() for name in re.findall(r"^ +HILUM_(\w+) +=", text, re.MULTILINE)}
        # The warehouse's address is a setting of its adapter for BigQuery.
        assert named - {"home", "warehouse"} <= {each.name for each in fields(Settings)}


class TestPlantedFaults:
    """A fault of each kind is found: the checks themselves can fail."""

    BUCKET = """
resource "google_storage_bucket" "this" {{
  name     = "b"
  location = "EU"
{}
}}
"""

    @pytest.mark.parametrize(
        ("planted", "said"),
        [
            ("  uniform_access = true", "uniform_access is no argument"),
            ("  force_destroy = [true]", "force_destroy takes bool, not list"),
            ('  force_destroy = "perhaps"', "force_destroy takes bool, not string"),
            ("  labels = 3", "labels takes map, not number"),
            ("  versioning = { enabled = true }", "versioning is written as a block"),
            ("  versioning {\n  }", "versioning.enabled is missing"),
            (
                "  versioning {\n    enabled = true\n  }\n  versioning {\n    enabled = true\n  }",
                "versioning may be there once",
            ),
            (
                "  lifecycle_rule {\n    action {\n      type = 1\n      kind = 2\n    }\n  }",
                "action.kind is no",
            ),
            ("  labels {\n  }", "labels is given with ="),
            ("  storage_class = var.class", "storage_class takes string, not list"),
        ],
    )
    def test_arguments(self, google_schema: Schema, tmp_path: Path, planted: str, said: str) -> None:
        declared = 'variable "class" {\n  type = list(string)\n}\n'
        module = module_of(tmp_path, declared + self.BUCKET.format(planted))
        assert said in "\n".join(against_schema.faults(module, google_schema))

    def test_what_is_missing_inside_a_dynamic_block(self, google_schema: Schema, tmp_path: Path) -> None:
        planted = '  dynamic "versioning" {\n    for_each = []\n    content {\n    }\n  }'
        module = module_of(tmp_path, self.BUCKET.format(planted))
        assert "versioning.enabled is missing" in "\n".join(against_schema.faults(module, google_schema))

    def test_kinds_and_what_is_required(self, google_schema: Schema, tmp_path: Path) -> None:
        module = module_of(
            tmp_path,
            'resource "google_storage_buckets" "a" {\n}\nresource "google_pubsub_topic" "b" {\n}\n'
            'data "google_storage_bucket_list" "c" {\n}\n',
        )
        found = "\n".join(against_schema.faults(module, google_schema))
        assert "there is no resource google_storage_buckets" in found
        assert "there is no data google_storage_bucket_list" in found
        assert "google_pubsub_topic.b: name is missing" in found

    @pytest.mark.parametrize(
        "read", ["google_storage_bucket.this.address", "google_storage_bucket.this.versioning[0].on"]
    )
    def test_attributes_that_are_not_there(self, google_schema: Schema, tmp_path: Path, read: str) -> None:
        text = self.BUCKET.format("") + f'output "a" {{\n  value = "x-${{{read}}}"\n}}\n'
        [said] = against_schema.faults(module_of(tmp_path, text), google_schema)
        assert said.endswith("which is not there")

    def test_references(self, tmp_path: Path) -> None:
        child = tmp_path / "child"
        module_of(
            child,
            'variable "a" {\n  type = string\n  description = "d"\n}\n'
            'variable "b" {\n  type = string\n  description = "d"\n}\n'
            'output "o" {\n  value = var.a\n}\n',
        )
        root = module_of(
            tmp_path / "root",
            'module "one" {\n  source = "../child"\n  a = var.nowhere\n  c = local.nothing\n}\n'
            'module "two" {\n  source = "../absent"\n}\n'
            'output "x" {\n  value = module.one.p\n}\n'
            'output "y" {\n  value = google_pubsub_topic.gone["a"].id\n}\n',
        )
        found = "\n".join(graph.faults([read(child), root]))
        for said in (
            "there is no var.nowhere",
            "there is no local.nothing",
            "there is no google_pubsub_topic.gone",
            "var.b is not used",
            "module.one has no input c",
            "module.one lacks its input b",
            "module.two: there is no module at its source",
            "module.one has no output p",
        ):
            assert said in found

    def test_a_circle_through_two_modules(self, tmp_path: Path) -> None:
        child = tmp_path / "child"
        module_of(
            child,
            'variable "a" {\n  type = string\n  description = "d"\n}\noutput "o" {\n  value = var.a\n}\n',
        )
        root = module_of(
            tmp_path / "root",
            'module "one" {\n  source = "../child"\n  a = module.two.o\n}\n'
            'module "two" {\n  source = "../child"\n  a = module.one.o\n}\n',
        )
        assert "a circle" in "\n".join(graph.faults([read(child), root]))

    @pytest.mark.parametrize(
        "planted",
        [
            'resource "google_sql_user" "u" {\n  password = "hunter2"\n}\n',
            'resource "google_sql_user" "u" {\n  password = var.password\n}\n',
            'resource "google_service_account_key" "k" {\n}\n',
            'locals {\n  url = "postgresql://hilum:hunter2@db/hilum"\n}\n',
            f'locals {{\n  key = "AIza{"x" * 35}"\n}}\n',
        ],
    )
    def test_secrets(self, tmp_path: Path, planted: str) -> None:
        assert len(secrets.faults([module_of(tmp_path, planted)])) == 1

    @pytest.mark.parametrize(
        ("role", "comment", "member", "said"),
        [
            ("roles/pubsub.viewer", "# Because.", "user:a", "no comment says why"),
            ("roles/editor", "# Why: it is easy.", "user:a", "more than any program needs"),
            ("roles/storage.objectAdmin", "# Why: it is easy.", "user:a", "more than any program needs"),
            ("roles/pubsub.viewer", "# Why: it is open.", "allUsers", "to anybody"),
        ],
    )
    def test_roles(self, tmp_path: Path, role: str, comment: str, member: str, said: str) -> None:
        given = f'  role = "{role}"\n  member = "{member}"\n'
        text = f'{comment}\nresource "google_project_iam_member" "m" {{\n{given}}}\n'
        [found] = access.faults([module_of(tmp_path, text)])
        assert said in found

    def test_policies(self, checkov: Checkov, tmp_path: Path) -> None:
        module_of(tmp_path, HEAD + self.BUCKET.format("  #checkov:skip=CKV_GCP_62:for\n  labels = {}"))
        said = checkov(tmp_path)
        assert any("uniform bucket-level access" in each.lower() for each in said.failed), said
        assert said.skipped == (("CKV_GCP_62", "for"),)

    @pytest.mark.parametrize(
        "planted", ["locals {\n   a = 1\n}\n", "locals {\n  a   = 1\n}\n", "locals {\n  a = 1\n  bb = 2\n}\n"]
    )
    def test_format(self, tmp_path: Path, planted: str) -> None:
        module_of(tmp_path, planted)
        assert len(written.faults(tmp_path / "main.tf")) == 1


def test_every_folder_was_read(configuration: list[Module]) -> None:
    folders = {path.name for kind in ("modules", "examples") for path in (ROOT / kind).iterdir()}
    assert (
        {each.folder.name for each in modules(ROOT)}
        == folders
        == {each.folder.name for each in configuration}
    )
