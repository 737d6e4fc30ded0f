"""The one module that makes Google's BigQuery clients: how a dataset is reached, what is tried again, and for how
long.

What errors mean is in :mod:`hilum.warehouse.bigquery.faults`. An emulator is found by ``BIGQUERY_EMULATOR_HOST``
(Google's name for it) and :data:`GRPC`.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Any, cast

from hilum.warehouse.bigquery.address import Dataset
from hilum.warehouse.bigquery.faults import EMULATOR, is_about_the_request, meaning, missing
from hilum.warehouse.bigquery.schema import Field, plain
from hilum.warehouse.interface import WarehouseUnavailable

if TYPE_CHECKING:
    import pyarrow as pa
    from google.api_core.retry import Retry
    from google.cloud.bigquery import Client, QueryJobConfig, Table
    from google.cloud.bigquery_storage_v1 import BigQueryWriteClient

GRPC = "BIGQUERY_EMULATOR_GRPC"
"""Address of an emulator's Storage API, such as ``127.0.0.1:9060``."""
PATIENCE = 30.0
"""Seconds that a question is tried again for."""
ANSWERED = 60.0
"""Seconds that one answer may take."""


class DatasetClient:
    """A dataset's tables, views and queries. Nothing is asked before it is needed."""

    def __init__(self, dataset: Dataset) -> None:
        self.dataset = dataset
        self._until = math.inf

    @contextmanager
    def within(self, seconds: float) -> Iterator[None]:
        """What is asked meanwhile ends in so many seconds, all of it together, answered or not."""
        self._until = time.monotonic() + seconds
        try:
            yield
        finally:
            self._until = math.inf

    def left(self) -> float:
        """Seconds for what is asked now; infinite outside of :meth:`within`.

        Raises:
            WarehouseUnavailable: none are left.
        """
        if (left := self._until - time.monotonic()) <= 0:
            raise WarehouseUnavailable("BigQuery did not answer in time")
        return left

    def _patience(self) -> dict[str, Any]:
        """How a request is tried: a try that begins when a quarter of the time has passed may take the others."""
        left = self.left()
        return {"retry": _retry(min(PATIENCE, left / 4)), "timeout": min(ANSWERED, left * 3 / 4)}

    @cached_property
    def _client(self) -> Client:
        try:
            from google.auth.exceptions import DefaultCredentialsError
            from google.cloud import bigquery
        except ImportError:
            raise missing() from None
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
            raise missing() from None
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
            self._client.create_dataset(made, exists_ok=True, **self._patience())

    def listed(self) -> dict[str, str]:
        """Tables and views by name, each with the label that was given to it; none where there is no dataset."""
        with meaning():
            try:
                items = list(self._client.list_tables(self.dataset.path, **self._patience()))
            except _not_found():
                return {}
        return {item.table_id: item.labels.get("hilum", "") for item in items}

    def create(self, name: str, resource: Mapping[str, Any]) -> None:
        """Make a table or view of the REST API's description, unless there is one of this name."""
        from google.cloud import bigquery

        with meaning():
            table = bigquery.Table.from_api_repr({**resource, "tableReference": self._reference(name)})
            self._client.create_table(table, exists_ok=True, **self._patience())

    def update(self, name: str, resource: Mapping[str, Any], parts: Sequence[str]) -> None:
        """Change these parts of a table or view."""
        from google.cloud import bigquery

        with meaning():
            table = bigquery.Table.from_api_repr({**resource, "tableReference": self._reference(name)})
            self._client.update_table(table, parts, **self._patience())

    def schema(self, name: str) -> list[Field]:
        """The columns of a table or view."""
        return plain(field.to_api_repr() for field in self._table(name).schema)

    def size(self, name: str) -> int:
        """Logical bytes of a table."""
        return int(self._table(name).num_bytes or 0)

    def _table(self, name: str) -> Table:
        with meaning():
            return self._client.get_table(f"{self.dataset.path}.{name}", **self._patience())

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

    def estimate(self, sql: str, parameters: Sequence[Any] = ()) -> int:
        """Bytes that a query would read, by a dry run, which costs nothing."""
        config = self._config(parameters)
        config.dry_run, config.use_query_cache = True, False
        with meaning():
            job = self._client.query(sql, job_config=config, **self._patience(), job_retry=None)
        return int(job.total_bytes_processed or 0)

    def query(self, sql: str, parameters: Sequence[Any] = (), limit: int | None = None) -> pa.Table:
        """The rows of a query that bills no more than ``limit`` bytes."""
        config = self._config(parameters)
        if limit is not None:
            config.maximum_bytes_billed = limit
        with meaning():
            patience = self._patience()
            wait = {} if math.isinf(self._until) else {"wait_timeout": patience["timeout"]}
            rows = self._client.query_and_wait(
                sql,
                job_config=config,
                retry=patience["retry"],
                api_timeout=patience["timeout"],
                job_retry=cast("Retry", None),
                **wait,
            )
            return rows.to_arrow(create_bqstorage_client=False)

    def _config(self, parameters: Sequence[Any]) -> QueryJobConfig:
        from google.cloud import bigquery

        config = bigquery.QueryJobConfig(default_dataset=self.dataset.path)
        config.query_parameters = [_parameter(value) for value in parameters]
        return config


def _retry(patience: float) -> Retry:
    from google.cloud.bigquery.retry import DEFAULT_RETRY

    def passes(error: Exception) -> bool:
        return not is_about_the_request(error) if hasattr(error, "errors") else True

    usual: Callable[[Exception], bool] = DEFAULT_RETRY._predicate
    return DEFAULT_RETRY.with_timeout(patience).with_predicate(lambda error: usual(error) and passes(error))


def _not_found() -> type[Exception]:
    from google.api_core.exceptions import NotFound

    return NotFound


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
