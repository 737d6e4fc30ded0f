"""The page of costs: its sums are right, and it prices what Terraform makes. Whether the prices hold is not shown."""

from __future__ import annotations

import re

import google_costs
import pytest
from google_costs import PRODUCTION, SEGMENTED, SERIES, TRIAL, Line

from beds.terraform.fixtures import ROOT


def line(lines: list[Line], part: str) -> Line:
    [found] = [each for each in lines if each.part == part]
    return found


@pytest.mark.parametrize(
    ("lines", "part", "series", "dollars"),
    [
        # By hand: 10,000 x 0.15 GiB x $0.020, 2,300 thousand creations, 6,000 thousand reads.
        (PRODUCTION, "Cloud Storage", 10_000, 30.0 + 11.5 + 2.4),
        # 2,000,000 instances, written and delivered, of 4 KiB.
        (PRODUCTION, "Pub/Sub", 10_000, 16_000_000 / 2**30 * 40),
        (PRODUCTION, "GKE: a cluster", 100, 73.0),
        # Two machines of 2 vCPU and 8 GiB, two disks of 50 GiB.
        (PRODUCTION, "Cloud SQL, highly available", 100, 4 * 730 * 0.0413 + 16 * 730 * 0.0070 + 100 * 0.17),
        (PRODUCTION, "GKE: steps, on spot nodes", 1_000_000, 1e6 / 30 * (2 * 0.0133 + 8 * 0.0014707)),
        (TRIAL, "One machine and its disk", 100, 730 * 0.134 + 5),
    ],
)
def test_a_part_costs_what_it_costs_by_hand(
    lines: list[Line], part: str, series: int, dollars: float
) -> None:
    assert line(lines, part).dollars(series) == pytest.approx(dollars)


def test_the_page_adds_up() -> None:
    rows = re.findall(r"^\| (.+?) \| (.+?) \| (.+?) \| (.+?) \|$", google_costs.page(), re.M)
    bill = {
        name: [float(re.sub("[*,]", "", cell)) for cell in cells]
        for name, *cells in rows
        if "$" not in name and re.fullmatch(r"[*\d,.]+", cells[0])
    }
    total = bill.pop("**together**")
    del bill[SEGMENTED.part]
    assert len(bill) == len(PRODUCTION)
    for place, _ in enumerate(SERIES):
        assert sum(cells[place] for cells in bill.values()) == pytest.approx(total[place], abs=len(bill) / 2)


def test_more_series_never_cost_less() -> None:
    for each in (*PRODUCTION, *TRIAL, SEGMENTED):
        costs = [each.dollars(series) for series in SERIES]
        assert costs == sorted(costs)


def test_the_machines_that_are_priced_are_those_that_terraform_makes() -> None:
    def default(module: str, variable: str) -> str:
        text = (ROOT / "modules" / module / "variables.tf").read_text()
        found = re.search(rf'variable "{variable}" {{[^}}]*?default += "?([\w-]+)', text)
        assert found, variable
        return found[1]

    assert google_costs.MACHINE.product.endswith(default("machine", "machine"))
    assert int(default("machine", "home_size")) == google_costs.HOME_GIB
    assert default("ledger", "tier") == "db-custom-2-7680"
