"""SQL that was written for BigQuery, run on DuckDB.

sqlglot knows both languages and does most of the way. What it leaves out, or means otherwise, is done here:
:mod:`~hilum.warehouse.googlesql.arrays` and :mod:`~hilum.warehouse.googlesql.functions` rewrite its tree,
:mod:`~hilum.warehouse.googlesql.macros` gives DuckDB the functions that it lacks, and
:mod:`~hilum.warehouse.googlesql.idc` the tables of Imaging Data Commons. The result is DuckDB's SQL and passes the
same fences as anybody's. sqlglot takes a third of a second to load, so it is not imported before SQL asks for it.
"""
