from leeboard_workers.data.columns import feature_of, stored_names


def test_plain_names_stay_as_they_are() -> None:
    assert stored_names(["age", "zip"]) == {"age": "x_age", "zip": "x_zip"}


def test_refused_characters_are_encoded_and_come_back() -> None:
    for feature in ("petal length", "a,b", "100%", "tab\there", "größe", "x_y"):
        column = stored_names([feature])[feature]
        assert not set(column) & set(" ,;{}()\n\t=")
        assert feature_of(column) == feature


def test_names_that_differ_by_case_are_kept_apart() -> None:
    names = stored_names(["Age", "age", "AGE"])
    assert len({column.lower() for column in names.values()}) == 3
    assert {feature_of(column) for column in names.values()} == {"Age", "age", "AGE"}


def test_names_already_stored_stay_with_their_column() -> None:
    names = stored_names(["age"], stored=["x_Age"])
    assert names["age"] != "x_Age"
    assert stored_names(["Age", "age"], stored=["x_Age", names["age"]]) == {"Age": "x_Age", "age": names["age"]}
