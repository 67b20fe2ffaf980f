from leeboard.sandbox.rights import NOT_IN_THE_STORY, Right, asked, granted, grants


def event(verb: str, resource: str, code: int = 200, **more: str) -> dict[str, object]:
    return {
        "verb": verb,
        "objectRef": {"apiGroup": "leeboard.dev", "resource": resource, **more},
        "responseStatus": {"code": code},
    }


def test_each_right_with_its_answers() -> None:
    events = [
        event("get", "driftmonitors"),
        event("get", "driftmonitors", 404),
        event("update", "driftmonitors", 403, subresource="status"),
        {"verb": "get", "requestURI": "/version"},
    ]
    assert asked(events) == {
        Right("leeboard.dev", "driftmonitors", "get"): {200, 404},
        Right("leeboard.dev", "driftmonitors/status", "update"): {403},
    }


def test_what_is_granted_is_what_the_chart_grants() -> None:
    rights = granted()
    assert Right("leeboard.dev", "modeldeployments/status", "update") in rights
    assert Right("ray.io", "rayjobs", "patch") not in rights
    assert NOT_IN_THE_STORY.keys() <= rights
    (_, role), (_, binding) = grants("mine", "somebody")
    assert role["metadata"]["name"] == binding["roleRef"]["name"] == "mine"
    assert binding["subjects"][0]["name"] == "somebody"
