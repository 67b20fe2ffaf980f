from leeboard_workers.serving.collector.recent import Recent


def test_remembers_the_newest_and_forgets_the_oldest() -> None:
    recent = Recent(kept=100)
    for number in range(10_000):
        recent.put(("request", number), number)
    assert all(recent.get(("request", number)) == number for number in range(9_900, 10_000))
    assert recent.get(("request", 0)) is None
    assert len(recent) <= 200


def test_the_last_value_counts() -> None:
    recent = Recent(kept=2)
    recent.put("a", 1)
    recent.put("b", 1)
    recent.put("a", 2)
    assert (recent.get("a"), recent.get("b"), recent.get("c")) == (2, 1, None)
