"""Which files are generated, and what stands in them."""

from pathlib import Path
from typing import Any

import yaml

from leeboard.crdgen import rbac, reasons, values
from leeboard.crdgen.kinds import KINDS, crd
from leeboard.crdgen.reference import page

NOTICE = "# Generated from operator/leeboard/api by `make generate`: change it there.\n"
RBAC_NOTICE = "# Generated from operator/leeboard/crdgen/rbac.py by `make generate`: change it there.\n"


class _Plain(yaml.SafeDumper):
    """Writes every value where it stands; anchors are for machines."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002 (all alike)
        """Repeat whatever comes twice."""
        return True


def document(manifest: dict[str, Any]) -> str:
    """Return a manifest as YAML."""
    return yaml.dump(manifest, Dumper=_Plain, sort_keys=False, width=120, allow_unicode=True)


def generated() -> dict[Path, str]:
    """Return the text of every generated file by its path in the repository."""
    files: dict[Path, str] = {}
    for kind in KINDS:
        text = NOTICE + document(crd(kind))
        files[Path("crds") / f"{kind.plural}.yaml"] = text
        files[Path("charts/leeboard/crds") / f"{kind.plural}.yaml"] = text
        files[Path("docs/reference") / f"{kind.singular}.md"] = page(kind)
    files[Path("charts/leeboard/generated/clusterrole.yaml")] = RBAC_NOTICE + document(rbac.cluster_role())
    files[Path("docs/reference/rbac.md")] = rbac.page()
    files[Path("docs/reference/reasons.md")] = reasons.page()
    files[Path("docs/reference/values.md")] = values.page(values.VALUES.read_text(encoding="utf-8"))
    return files


def stale(root: Path) -> list[Path]:
    """Return the generated files that are missing or differ from what would be written."""
    return [
        path
        for path, text in generated().items()
        if not (root / path).is_file() or (root / path).read_text(encoding="utf-8") != text
    ]


def write(root: Path) -> list[Path]:
    """Write what is stale, and return it."""
    files = generated()
    written = stale(root)
    for path in written:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(files[path], encoding="utf-8")
    return written
