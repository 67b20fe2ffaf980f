"""Writes what a Python environment holds as a CycloneDX 1.6 document: `python sbom.py NAME > sbom.cdx.json`.

Run by the environment's own Python; it needs nothing but the standard library. What the base image holds is not in it.
"""

import json
import re
import sys
from importlib.metadata import Distribution, distributions
from typing import Any


def component(distribution: Distribution) -> dict[str, Any]:
    """Describe one installed package."""
    metadata = distribution.metadata
    name = re.sub(r"[-_.]+", "-", metadata["Name"]).lower()
    purl = f"pkg:pypi/{name}@{distribution.version}"
    described = {"type": "library", "bom-ref": purl, "name": name, "version": distribution.version, "purl": purl}
    expression = metadata.get("License-Expression")
    return described | ({"licenses": [{"expression": expression}]} if expression else {})


def document(name: str) -> dict[str, Any]:
    """Describe the environment; the same environment gives the same document."""
    components = {found["purl"]: found for found in map(component, distributions())}
    own = next((found["version"] for found in components.values() if found["name"] == "leeboard"), "")
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": {"type": "container", "name": name, "version": own}},
        "components": [components[purl] for purl in sorted(components)],
    }


if __name__ == "__main__":
    json.dump(document(sys.argv[1]), sys.stdout, indent=1)
    sys.stdout.write("\n")
