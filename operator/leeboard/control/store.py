"""The latest objects, with look-ups by owner and by reference; fed by watches, checked by listings."""

from collections import OrderedDict, defaultdict
from collections.abc import Callable
from operator import itemgetter
from typing import Any

from leeboard.control.children import owner_uid
from leeboard.control.kinds import OWN_KINDS
from leeboard.control.listing import Listing, Manifest
from leeboard.control.ref import Ref

_OWN = {kind.name for kind in OWN_KINDS}
_MODEL_DEPLOYMENT = OWN_KINDS[0].name
_MAX_DEAD = 4096

Place = tuple[str, str]
"""Namespace and name."""


class Store:
    """Objects by kind, namespace and name. What it returns belongs to it: nobody changes it.

    Args:
        look_at: Called with each object of ours that a change concerns.
    """

    def __init__(self, look_at: Callable[[Ref], None] = lambda _: None) -> None:
        self._look_at = look_at
        self._objects: dict[str, dict[Place, Manifest]] = defaultdict(dict)
        self._by_owner: dict[tuple[str, str], set[Place]] = defaultdict(set)
        self._by_reference: dict[tuple[str, str, str], set[str]] = defaultdict(set)
        self._served: set[str] = set()
        self._dead: OrderedDict[str, int] = OrderedDict()
        """By uid of what ended: up to which version. A listing that began before must not bring it back, but what only
        lost the labels by which it is watched comes back, newer, with them."""

    def get(self, kind: str, namespace: str, name: str) -> Manifest | None:
        """Return the object, or None."""
        return self._objects[kind].get((namespace, name))

    def owned(self, owner: str, kind: str) -> list[Manifest]:
        """Return the objects of a kind whose controlling owner has this uid, by name."""
        return [self._objects[kind][place] for place in sorted(self._by_owner.get((owner, kind), ()))]

    def referring(self, kind: str, namespace: str, model_deployment: str) -> list[Manifest]:
        """Return the objects of a kind whose `modelDeploymentRef` names it, by name."""
        names = sorted(self._by_reference.get((kind, namespace, model_deployment), ()))
        return [self._objects[kind][namespace, name] for name in names]

    def serves(self, kind: str) -> bool:
        """Say whether the API server knew the kind when it was last asked."""
        return kind in self._served

    def put(self, raw: Manifest, by: Ref | None = None) -> bool:
        """Take up an object, unless a newer one is known; say whether anything changed.

        Everything of ours that it concerns is looked at again, except the one whose pass wrote it (`by`).
        """
        kind, metadata = raw["kind"], raw["metadata"]
        place = (metadata["namespace"], metadata["name"])
        old = self._objects[kind].get(place)
        if self._is_dead(raw) or (old is not None and _version(old) >= _version(raw)):
            return False
        kept = {**raw, "metadata": {name: value for name, value in metadata.items() if name != "managedFields"}}
        found = self._concerned(kept)
        if old is not None:
            found |= self._concerned(old)
            self._unlink(kind, place, old)
        self._objects[kind][place] = kept
        self._served.add(kind)
        if owner := owner_uid(kept):
            self._by_owner[owner, kind].add(place)
        if model := _referred(kept):
            self._by_reference[kind, place[0], model].add(place[1])
        self._tell(found, by)
        return True

    def drop(self, raw: Manifest, by: Ref | None = None) -> bool:
        """Forget an object, given as it was at its end, if it is this very one; say whether anything changed."""
        kind, (namespace, name), uid = raw["kind"], _place(raw), raw["metadata"].get("uid", "")
        old = self._objects[kind].get((namespace, name))
        self._bury(uid, _version(raw))
        if old is None or uid != old["metadata"].get("uid", ""):
            return False
        found = self._concerned(old)
        self._unlink(kind, (namespace, name), old)
        del self._objects[kind][namespace, name]
        self._bury(uid, _version(old))
        self._tell(found, by)
        return True

    def _bury(self, uid: str, version: int) -> None:
        self._dead[uid] = max(version, self._dead.get(uid, 0))
        if len(self._dead) > _MAX_DEAD:
            self._dead.popitem(last=False)

    def _is_dead(self, raw: Manifest) -> bool:
        until = self._dead.get(raw["metadata"].get("uid", ""))
        return until is not None and _version(raw) <= until

    def differences(self, kind: str, listing: Listing | None) -> list[Ref]:
        """Return what the store has wrong, measured by a listing: outdated, unknown, or gone."""
        listed = {_place(raw): raw for raw in listing.objects} if listing else {}
        held = self._objects[kind]
        late = [place for place, raw in listed.items() if self._is_late(held.get(place), raw)]
        until = listing.resource_version if listing else None
        gone = [
            place for place, raw in held.items() if place not in listed and (until is None or _version(raw) <= until)
        ]
        return [Ref(kind, *place) for place in sorted(late + gone)]

    def replace(self, kind: str, listing: Listing | None) -> None:
        """Take up a whole listing; None: the API server does not know the kind."""
        wrong = self.differences(kind, listing)
        listed = {_place(raw): raw for raw in listing.objects} if listing else {}
        for ref in wrong:
            raw = listed.get((ref.namespace, ref.name))
            if raw is None:
                self.drop(self._objects[kind][ref.namespace, ref.name])
            else:
                self.put(raw)
        if listing is None:
            self._served.discard(kind)
        else:
            self._served.add(kind)

    def list(self, kind: str, namespace: str | None = None) -> list[Manifest]:
        """Return all objects of a kind, of one namespace or of all, by namespace and name."""
        return [
            raw
            for (place, _), raw in sorted(self._objects[kind].items(), key=itemgetter(0))
            if namespace in {None, place}
        ]

    def _is_late(self, held: Manifest | None, listed: Manifest) -> bool:
        if held is None:
            return not self._is_dead(listed)
        return _version(held) < _version(listed)

    def _concerned(self, raw: Manifest) -> set[Ref]:
        """Return the objects of ours that a change concerns: the object, its owners, those about the same model."""
        kind, (namespace, name) = raw["kind"], _place(raw)
        if kind not in _OWN:
            return self._owners(raw)
        model = name if kind == _MODEL_DEPLOYMENT else _referred(raw)
        found = {Ref(kind, namespace, name)}
        if model is not None:
            found.add(Ref(_MODEL_DEPLOYMENT, namespace, model))
            for other in OWN_KINDS:
                names = self._by_reference.get((other.name, namespace, model), ())
                found |= {Ref(other.name, namespace, entry) for entry in names}
        return found

    def _owners(self, raw: Manifest) -> set[Ref]:
        found: set[Ref] = set()
        namespace = raw["metadata"]["namespace"]
        for reference in raw["metadata"].get("ownerReferences") or ():
            if reference["kind"] in _OWN:
                found.add(Ref(reference["kind"], namespace, reference["name"]))
            elif parent := self.get(reference["kind"], namespace, reference["name"]):
                found |= self._owners(parent)  # a Deployment's InferenceService, and so its ModelDeployment
        return found

    def _tell(self, found: set[Ref], by: Ref | None) -> None:
        for ref in sorted(found - {by}):
            self._look_at(ref)

    def _unlink(self, kind: str, place: Place, old: Manifest) -> None:
        if owner := owner_uid(old):
            _discard(self._by_owner, (owner, kind), place)
        if model := _referred(old):
            _discard(self._by_reference, (kind, place[0], model), place[1])


def _place(raw: Manifest) -> Place:
    return raw["metadata"]["namespace"], raw["metadata"]["name"]


def _version(raw: Manifest) -> int:
    # Versions of one API server can be compared as numbers (Kubernetes promises it since 1.35, etcd's always could).
    return int(raw["metadata"].get("resourceVersion") or 0)


def _referred(raw: Manifest) -> str | None:
    reference = (raw.get("spec") or {}).get("modelDeploymentRef") if raw["kind"] in _OWN else None
    return reference.get("name") if isinstance(reference, dict) else None


def _discard(index: dict[Any, set[Any]], key: Any, member: Any) -> None:
    index[key].discard(member)
    if not index[key]:
        del index[key]
