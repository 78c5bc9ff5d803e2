"""`results show --format markdown`: tables for a mail, an issue or a wiki."""

from results.analysis.groups import Analysis
from results.output.words import (
    HEADINGS,
    NUMERIC,
    escape,
    footer,
    noise_line,
    other_line,
    row_of,
    run_warnings,
    title_of,
)


def as_markdown(analysis: Analysis) -> str:
    """One table per scenario."""
    run, groups = analysis.run, analysis.groups
    lines: list[str] = []
    for group in groups:
        lines += [
            f"**{escape(title_of(group))}**",
            "",
            f"| {' | '.join(HEADINGS)} |",
            f"|{'|'.join('---:' if heading in NUMERIC else '---' for heading in HEADINGS)}|",
        ]
        lines += [f"| {' | '.join(escape(text) for text in row_of(cell))} |" for cell in group.cells]
        lines += [
            "",
            *(part for line in other_line(group) for part in (escape(line), "")),
            escape(noise_line(group)),
            "",
            *(f"Warning: {escape(warning)}" for warning in group.warnings),
            "",
        ]
    lines += [escape(line) + "  " for line in (*run_warnings(run), *footer(run, groups))]
    return "\n".join(lines) + "\n"
