"""What a month on Google Cloud costs, as a page: prices, amounts of one series, and the sum of their products.

Prices are list prices in US dollars as they were known on :data:`PRICED`, of a region such as us-central1, without
free tiers, discounts, taxes and support. They are typed in by hand and change; amounts are stated so that anybody can
put their own in their place.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from markdown import table

PRICED = "2025-06"
HOURS = 730
"""Of a month."""
SERIES = (100, 10_000, 1_000_000)

# A series: what a month's bill is a multiple of.
INSTANCES = 200
GIB = 0.1
"""200 CT slices of half a megabyte each."""
RESULTS_GIB = 0.05
"""A volume, masks, JSON."""
COMPUTE_HOURS = 2 / 60
"""Of 2 vCPU and 8 GiB: the default pipeline's steps with staging; a segmentation on a GPU is GPU_HOURS more."""
GPU_HOURS = 3 / 60
HEADER_KIB = 8
"""Of a row in BigQuery for each instance; that storage compresses it is left out."""
MONTHS_KEPT = 1
"""The first month's bill: storage adds up from month to month."""
HOME_GIB = 50
"""The disk of the trial's machine."""
QUERIED_TIB = 0.1
"""Asked of BigQuery for each 10,000 series."""


@dataclass(frozen=True, slots=True)
class Price:
    """Dollars for one unit, by the product's name on Google's price pages."""

    product: str
    unit: str
    dollars: float


STANDARD = Price("Cloud Storage, Standard, regional", "GiB and month", 0.020)
CREATES = Price("Cloud Storage, class A operations", "1,000", 0.005)
READS = Price("Cloud Storage, class B operations", "1,000", 0.0004)
MESSAGES = Price("Pub/Sub, throughput", "TiB", 40.0)
VCPU = Price("Cloud Run functions, CPU by request", "vCPU-second", 0.000024)
MEMORY = Price("Cloud Run functions, memory by request", "GiB-second", 0.0000025)
REQUESTS = Price("Cloud Run functions, requests", "million", 0.40)
SPOT_VCPU = Price("GKE Autopilot, Spot pods, CPU", "vCPU-hour", 0.0133)
SPOT_MEMORY = Price("GKE Autopilot, Spot pods, memory", "GiB-hour", 0.0014707)
POD_VCPU = Price("GKE Autopilot, pods, CPU", "vCPU-hour", 0.0445)
POD_MEMORY = Price("GKE Autopilot, pods, memory", "GiB-hour", 0.0049225)
CLUSTER = Price("GKE, a cluster", "hour", 0.10)
GPU = Price("NVIDIA L4 with its machine, Spot", "hour", 0.35)
WRITES = Price("BigQuery, Storage Write API", "GiB", 0.025)
ROWS = Price("BigQuery, active physical storage", "GiB and month", 0.04)
ASKED = Price("BigQuery, queries on demand", "TiB", 6.25)
SQL_VCPU = Price("Cloud SQL for PostgreSQL, CPU", "vCPU-hour", 0.0413)
SQL_MEMORY = Price("Cloud SQL for PostgreSQL, memory", "GiB-hour", 0.0070)
SQL_DISK = Price("Cloud SQL for PostgreSQL, SSD", "GiB and month", 0.17)
MACHINE = Price("Compute Engine, e2-standard-4", "hour", 0.134)
DISK = Price("Persistent disk, balanced", "GiB and month", 0.10)
NAT = Price("Cloud NAT, gateway, up to 32 machines", "machine-hour", 0.0014)
LOGS = Price("Cloud Logging, ingestion", "GiB", 0.50)
KEY = Price("Cloud KMS, software key version", "month", 0.06)
PRICES = [value for value in dict(globals()).values() if isinstance(value, Price)]


@dataclass(frozen=True, slots=True)
class Line:
    """A part of the bill: how much of what a month of so many series takes."""

    part: str
    amounts: tuple[tuple[Price, Callable[[int], float]], ...]

    def dollars(self, series: int) -> float:
        """Of a month."""
        return sum(price.dollars * amount(series) for price, amount in self.amounts)


def _ledger(vcpus: int, memory: int, disk: int) -> Line:
    """A highly available instance is two of everything."""
    return Line(
        "Cloud SQL, highly available",
        (
            (SQL_VCPU, lambda n: 2 * vcpus * HOURS * _steps(n)),
            (SQL_MEMORY, lambda n: 2 * memory * HOURS * _steps(n)),
            (SQL_DISK, lambda n: 2 * disk * _steps(n)),
        ),
    )


def _steps(series: int) -> int:
    """Times the smallest instance: a million series a month need four times the ledger."""
    return 4 if series > SERIES[1] else 1


_STORED = Line(
    "Cloud Storage",
    (
        (STANDARD, lambda n: n * (GIB + RESULTS_GIB) * MONTHS_KEPT),
        (CREATES, lambda n: n * (INSTANCES + 30) / 1e3),
        (READS, lambda n: n * INSTANCES * 3 / 1e3),
    ),
)
_TOLD = Line("Pub/Sub", ((MESSAGES, lambda n: n * INSTANCES * 2 * 4 / 2**30),))
_KEPT = Line(
    "BigQuery",
    (
        (WRITES, lambda n: n * INSTANCES * HEADER_KIB / 2**20),
        (ROWS, lambda n: n * INSTANCES * HEADER_KIB / 2**20 * MONTHS_KEPT),
        (ASKED, lambda n: QUERIED_TIB * n / 10_000),
    ),
)
_LOGGED = Line("Logs, keys, NAT", ((LOGS, lambda n: n * 20 / 2**20 + 1), (NAT, lambda n: 4 * HOURS)))

TRIAL = [
    Line("One machine and its disk", ((MACHINE, lambda n: HOURS), (DISK, lambda n: HOME_GIB))),
    _STORED,
    _TOLD,
    _KEPT,
    _LOGGED,
]
PRODUCTION = [
    Line("GKE: a cluster", ((CLUSTER, lambda n: HOURS),)),
    Line("GKE: the engine", ((POD_VCPU, lambda n: 2 * HOURS), (POD_MEMORY, lambda n: 8 * HOURS))),
    Line(
        "GKE: steps, on spot nodes",
        ((SPOT_VCPU, lambda n: n * COMPUTE_HOURS * 2), (SPOT_MEMORY, lambda n: n * COMPUTE_HOURS * 8)),
    ),
    _ledger(2, 8, 50),
    Line(
        "Functions",
        (
            (VCPU, lambda n: n * INSTANCES / 400),
            (MEMORY, lambda n: n * INSTANCES / 400),
            (REQUESTS, lambda n: n * INSTANCES / 1e6),
        ),
    ),
    _STORED,
    _TOLD,
    _KEPT,
    Line("Logs, keys, NAT", (*_LOGGED.amounts, (KEY, lambda n: 1))),
]
SEGMENTED = Line("On top, if each is segmented on a GPU", ((GPU, lambda n: n * GPU_HOURS),))
FITS_TRIAL = SERIES[:2]
"""One machine does not do a million series a month."""


def page() -> str:
    """The tables."""
    prices = [
        (price.product, price.unit, f"{price.dollars:.10f}".rstrip("0").rstrip(".")) for price in PRICES
    ]
    return f"""# What Google Cloud costs

Calculated by `tools/google_costs.py` from list prices in US dollars **as they were known in {PRICED}**, typed in by
hand for a region such as us-central1, and never compared with a bill: nothing of this was ever run on Google Cloud.
**Look each price up before you rely on it.** Free tiers, discounts, taxes, support and backups are left out.

A series is {INSTANCES} instances, {GIB} GiB, with {RESULTS_GIB} GiB of results, {COMPUTE_HOURS * 60:.0f} minutes of
2 vCPU and 8 GiB, and {HEADER_KIB} KiB in BigQuery for each instance. Objects stay; storage is that of the first month
and grows by as much each month, which lifecycle rules lessen.

## `production`, dollars a month

{_bill(PRODUCTION, SERIES, SEGMENTED)}
## `trial`, dollars a month

One machine: beyond some ten thousand series a month take `production`.

{_bill(TRIAL, FITS_TRIAL)}
## Prices

{table(("product", "for one", "dollars"), prices)}"""


def _bill(lines: list[Line], sizes: tuple[int, ...], *others: Line) -> str:
    rows = [(line.part, *(_money(line.dollars(n)) for n in sizes)) for line in lines]
    total = ("**together**", *(f"**{_money(sum(line.dollars(n) for line in lines))}**" for n in sizes))
    more = [(line.part, *(_money(line.dollars(n)) for n in sizes)) for line in others]
    return table(("part", *(f"{n:,} series" for n in sizes)), [*rows, total, *more])


def _money(dollars: float) -> str:
    return f"{dollars:,.2f}" if dollars < 100 else f"{dollars:,.0f}"
