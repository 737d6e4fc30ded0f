"""The one module that knows Google's BigQuery clients: how a dataset is reached, what is tried again, and what
errors mean to us.

What a server says in an error may quote a value, so only its kind is passed on. An emulator is found by
``BIGQUERY_EMULATOR_HOST`` (Google's name for it) and :data:`GRPC`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, cast

from hilum.errors import UsageError
from hilum.warehouse.bigquery.address import Dataset
from hilum.warehouse.bigquery.schema import Field, plain
from hilum.warehouse.interface import WarehouseUnavailable

if TYPE_CHECKING:
    import pyarrow as pa
    from google.api_core.retry import Retry
    from google.cloud.bigquery import Client, QueryJobConfig
    from google.cloud.bigquery_storage_v1 import BigQueryWriteClient

EMULATOR = "BIGQUERY_EMULATOR_HOST"
GRPC = "BIGQUERY_EMULATOR_GRPC"
"""Address of an emulator's Storage API, such as ``127.0.0.1:9060``."""
PATIENCE = 30.0
"""Seconds that a request is tried again for before the rows wait in the outbox."""
ANSWERED = 60.0
"""Seconds that one answer may take."""
BUSY = frozenset(("quotaExceeded", "rateLimitExceeded", "backendError", "jobRateLimitExceeded"))
"""Reasons of BigQuery's error table that go by themselves."""
TRANSIENT = frozenset((408, 429, 500, 502, 503, 504))


class RequestRefused(Exception):
    """BigQuery does not take a request; it will not take it again either. ``reason`` and ``message`` are Google's."""

    def __init__(self, code: int, reason: str, message: str) -> None:
        super().__init__(code, reason)
        self.code, self.reason, self.message = code, reason, message


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a dry run tells of a query: bytes that it would read, its statement's type, and the tables it reads."""

    size: int
    kind: str
    tables: tuple[tuple[str, str], ...]


class DatasetClient:
    """A dataset's tables, views and queries. Nothing is asked before it is needed."""

    def __init__(self, dataset: Dataset) -> None:
        self.dataset = dataset

    @cached_property
    def _client(self) -> Client:
        try:
            from google.auth.exceptions import DefaultCredentialsError
            from google.cloud import bigquery
        except ImportError:
            raise _missing() from None
        if os.environ.get(EMULATOR):
            from google.auth.credentials import AnonymousCredentials

            anonymous = AnonymousCredentials()  # type: ignore[no-untyped-call]
            return bigquery.Client(project=self.dataset.project, credentials=anonymous)
        try:
            return bigquery.Client(project=self.dataset.project, location=self.dataset.location or None)
        except DefaultCredentialsError:
            raise WarehouseUnavailable(
                "there are no credentials for BigQuery",
                reason="warehouse-credentials",
                hint="run `gcloud auth application-default login`, or set GOOGLE_APPLICATION_CREDENTIALS",
            ) from None

    @cached_property
    def writing(self) -> BigQueryWriteClient:
        """The client of the Storage Write API."""
        try:
            from google.cloud.bigquery_storage_v1 import BigQueryWriteClient
        except ImportError:
            raise _missing() from None
        address = os.environ.get(GRPC)
        if not address:
            return BigQueryWriteClient()  # type: ignore[no-untyped-call]
        import grpc
        from google.cloud.bigquery_storage_v1.services.big_query_write.transports import (
            BigQueryWriteGrpcTransport,
        )

        transport = BigQueryWriteGrpcTransport(channel=grpc.insecure_channel(address))
        return BigQueryWriteClient(transport=transport)  # type: ignore[no-untyped-call]

    def close(self) -> None:
        """Give connections back."""
        if "_client" in self.__dict__:
            self._client.close()  # type: ignore[no-untyped-call]
        if "writing" in self.__dict__:
            self.writing.transport.close()  # type: ignore[no-untyped-call]

    # --- tables

    def make(self) -> None:
        """Make the dataset, unless it is there."""
        from google.cloud import bigquery

        made = bigquery.Dataset(self.dataset.path)
        if self.dataset.location:
            made.location = self.dataset.location
        with meaning():
            self._client.create_dataset(made, exists_ok=True, retry=_retry(), timeout=ANSWERED)

    def listed(self) -> dict[str, str]:
        """Tables and views by name, each with the label that was given to it; none where there is no dataset."""
        with meaning():
            try:
                items = list(self._client.list_tables(self.dataset.path, retry=_retry(), timeout=ANSWERED))
            except _not_found():
                return {}
        return {item.table_id: item.labels.get("hilum", "") for item in items}

    def create(self, name: str, resource: Mapping[str, Any]) -> None:
        """Make a table or view of the REST API's description, unless there is one of this name."""
        from google.cloud import bigquery

        with meaning():
            table = bigquery.Table.from_api_repr({**resource, "tableReference": self._reference(name)})
            self._client.create_table(table, exists_ok=True, retry=_retry(), timeout=ANSWERED)

    def update(self, name: str, resource: Mapping[str, Any], parts: Sequence[str]) -> None:
        """Change these parts of a table or view."""
        from google.cloud import bigquery

        with meaning():
            table = bigquery.Table.from_api_repr({**resource, "tableReference": self._reference(name)})
            self._client.update_table(table, parts, retry=_retry(), timeout=ANSWERED)

    def schema(self, name: str) -> list[Field]:
        """The columns of a table or view."""
        with meaning():
            table = self._client.get_table(f"{self.dataset.path}.{name}", retry=_retry(), timeout=ANSWERED)
        return plain(field.to_api_repr() for field in table.schema)

    def size(self, name: str) -> int:
        """Logical bytes of a table."""
        with meaning():
            table = self._client.get_table(f"{self.dataset.path}.{name}", retry=_retry(), timeout=ANSWERED)
        return int(table.num_bytes or 0)

    def load(self, name: str, stream: Any, schema: Sequence[Field]) -> None:
        """Append the rows of a file of JSON lines by a load job, all or none."""
        from google.cloud import bigquery

        config = bigquery.LoadJobConfig(
            source_format="NEWLINE_DELIMITED_JSON",
            schema=[bigquery.SchemaField.from_api_repr(field) for field in schema],
            write_disposition="WRITE_APPEND",
            create_disposition="CREATE_NEVER",
        )
        with meaning():
            size = os.fstat(stream.fileno()).st_size
            job = self._client.load_table_from_file(
                stream, f"{self.dataset.path}.{name}", size=size, job_config=config
            )
            job.reload()  # the emulator's answer to an upload has no state, and the client would begin anew
            job.result()

    def _reference(self, name: str) -> dict[str, str]:
        return {"projectId": self.dataset.project, "datasetId": self.dataset.name, "tableId": name}

    # --- queries

    def estimate(self, sql: str, parameters: Sequence[Any] = ()) -> Estimate:
        """A dry run, which costs nothing."""
        config = self._config(parameters)
        config.dry_run, config.use_query_cache = True, False
        with meaning():
            job = self._client.query(sql, job_config=config, retry=_retry(), timeout=ANSWERED, job_retry=None)
        tables = tuple(
            (each.project + "." + each.dataset_id, each.table_id) for each in job.referenced_tables
        )
        return Estimate(int(job.total_bytes_processed or 0), job.statement_type or "", tables)

    def query(self, sql: str, parameters: Sequence[Any] = (), limit: int | None = None) -> pa.Table:
        """The rows of a query that bills no more than ``limit`` bytes."""
        config = self._config(parameters)
        if limit is not None:
            config.maximum_bytes_billed = limit
        with meaning():
            rows = self._client.query_and_wait(
                sql, job_config=config, retry=_retry(), job_retry=cast("Retry", None)
            )
            return rows.to_arrow(create_bqstorage_client=False)

    def _config(self, parameters: Sequence[Any]) -> QueryJobConfig:
        from google.cloud import bigquery

        config = bigquery.QueryJobConfig(default_dataset=self.dataset.path)
        config.query_parameters = [_parameter(value) for value in parameters]
        return config


@contextmanager
def meaning() -> Iterator[None]:
    """Google's errors as ours.

    Raises:
        WarehouseUnavailable: for what may pass: an outage, a quota, rights that somebody has to give.
        RequestRefused: for what will not.
    """
    import requests
    from google.api_core.exceptions import GoogleAPICallError, RetryError
    from google.auth.exceptions import GoogleAuthError

    try:
        yield
    except RetryError as error:
        cause = error.cause if isinstance(error.cause, Exception) else ConnectionError()
        with meaning():
            raise cause from None
    except GoogleAPICallError as error:
        code, reason = int(error.code or 0), _reason(error)
        if reason in BUSY or code == 429:
            raise WarehouseUnavailable(
                f"BigQuery takes no more for now: {reason or code}", reason="warehouse-quota"
            ) from None
        if code in (401, 403):
            raise WarehouseUnavailable(
                f"BigQuery does not let us: {reason or code}",
                reason="warehouse-denied",
                hint="docs/how-to/bigquery-warehouse.md says which roles are needed",
            ) from None
        if code in TRANSIENT and not _is_about_the_request(error):
            raise WarehouseUnavailable(f"BigQuery answers {code}") from None
        raise RequestRefused(code, reason, error.message or "") from None
    except (requests.RequestException, ConnectionError, GoogleAuthError) as error:
        raise WarehouseUnavailable(f"BigQuery is not reached: {type(error).__name__}") from None


def _is_about_the_request(error: Any) -> bool:
    """What the emulator answers with 500 and BigQuery with 400: a mistake in SQL."""
    return (
        error.code == 500
        and _reason(error) in ("invalidQuery", "jobInternalError")
        and bool(os.environ.get(EMULATOR))
    )


def _reason(error: Any) -> str:
    return (
        str(error.errors[0].get("reason", "")) if error.errors and isinstance(error.errors[0], dict) else ""
    )


def _retry() -> Retry:
    from google.cloud.bigquery.retry import DEFAULT_RETRY

    def passes(error: Exception) -> bool:
        return not _is_about_the_request(error) if hasattr(error, "errors") else True

    usual: Callable[[Exception], bool] = DEFAULT_RETRY._predicate
    return DEFAULT_RETRY.with_timeout(PATIENCE).with_predicate(lambda error: usual(error) and passes(error))


def _not_found() -> type[Exception]:
    from google.api_core.exceptions import NotFound

    return NotFound


def _missing() -> UsageError:
    return UsageError(
        "this home's warehouse is in BigQuery, and its client is not installed",
        reason="extra-missing",
        hint="install hilum[bigquery]",
    )


def _parameter(value: Any) -> Any:
    from google.cloud.bigquery import ArrayQueryParameter, ScalarQueryParameter

    if isinstance(value, list | tuple):
        return ArrayQueryParameter(None, _type(value[0] if value else ""), list(value))
    return ScalarQueryParameter(None, _type(value), value)


def _type(value: Any) -> str:
    for kind, name in ((bool, "BOOL"), (int, "INT64"), (float, "FLOAT64"), (bytes, "BYTES")):
        if isinstance(value, kind):
            return name
    name = type(value).__name__
    return {"date": "DATE", "time": "TIME", "datetime": "TIMESTAMP"}.get(name, "STRING")
