"""duckdb: from Parquet files to 19 quantiles of each numeric column and the counts of each level, nothing else."""

import duckdb
from measured import measured


def prepare(folder: str):
    """Write the queries; they run as the work."""
    path = f"{folder}/now.parquet"
    database = duckdb.connect()
    columns = database.execute(f"describe select * from '{path}'").fetchall()  # noqa: S608 (our own path)
    numbers = [name for name, kind, *_ in columns if kind == "DOUBLE"]
    shares = [place / 20 for place in range(1, 20)]
    wanted = ", ".join(f"quantile_cont({name}, {shares})" for name in numbers)
    queries = [f"select {wanted} from '{path}'"]  # noqa: S608 (as above)
    queries += [
        f"select {name}, count(*) from '{path}' group by 1"  # noqa: S608 (as above)
        for name, *_ in columns
        if name not in numbers
    ]

    return lambda: [len(database.execute(query).fetchall()) for query in queries]


measured(prepare)
