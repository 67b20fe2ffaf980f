"""polars: from Parquet files to 19 quantiles of each numeric column and the counts of each level, nothing else."""

import polars as pl
from measured import measured


def prepare(folder: str):
    """Describe the query; it runs as the work."""
    schema = pl.scan_parquet(f"{folder}/now.parquet").collect_schema()
    numbers = [name for name, kind in schema.items() if kind.is_numeric()]
    levels = [name for name in schema if name not in numbers]
    shares = [place / 20 for place in range(1, 20)]

    def work() -> int:
        table = pl.scan_parquet(f"{folder}/now.parquet")
        wanted = [pl.col(name).quantile(share).alias(f"{name}{share}") for name in numbers for share in shares]
        found = pl.collect_all([table.select(wanted), *(table.group_by(name).len() for name in levels)])
        return len(found)

    return work


measured(prepare)
