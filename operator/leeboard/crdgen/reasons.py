"""Writes the table of all reasons."""

from leeboard.api.reasons import REASONS

NOTICE = "<!-- Generated from operator/leeboard/api/reasons.py by `make generate`: change it there. -->"


def page() -> str:
    """Return the page in Markdown: one table, in the order of the alphabet."""
    lines = [
        "# Reasons",
        "",
        NOTICE,
        "",
        "Every reason that a condition, an Event or the end of a rollout gives. The message beside it names what is",
        "meant; [Troubleshooting](../operations/troubleshooting.md) begins with what you see.",
        "",
        "`Stalled`: a person must act. Everything else heals by itself, unless the last column says what to do.",
        "",
        "| reason | given by | means | do |",
        "|---|---|---|---|",
    ]
    rows = [(reason.name, where, reason.means, reason.do) for where, group in REASONS.items() for reason in group]
    lines += [f"| `{name}` | {where} | {means} | {do} |" for name, where, means, do in sorted(rows)]
    return "\n".join([*lines, ""])
