"""frouros: KS and Wasserstein of the numeric columns, chi-square of the others."""

import pandas as pd
from frouros.detectors.data_drift import EMD, ChiSquareTest, KSTest
from measured import measured


def prepare(folder: str):
    """Fit two detectors to each numeric column of the reference and one to each other."""
    then, now = (pd.read_parquet(f"{folder}/{side}.parquet") for side in ("then", "now"))
    detectors = []
    for name in then:
        kinds = (KSTest, EMD) if then[name].dtype == float else (ChiSquareTest,)
        for kind in kinds:
            detector = kind()
            detector.fit(X=then[name].to_numpy())
            detectors.append((name, detector))

    def work() -> list[float]:
        answers = [detector.compare(X=now[name].to_numpy())[0] for name, detector in detectors]
        return [float(getattr(answer, "statistic", getattr(answer, "distance", 0.0))) for answer in answers]

    return work


measured(prepare)
