"""The tables of docs/fidelity-files.md."""

from collections.abc import Iterator

from results.analysis import machines
from results.analysis.fidelity import KEPT_CENSUS, columns_of
from results.analysis.groups import Analysis
from results.kept.analysed import analysed
from results.output.as_fidelity import prices, tables
from results.pages import kernel_table, overview
from results.reading.load import Run, read_json


def tables_of_kept() -> Iterator[str]:
    """The tables of docs/fidelity-files.md, from what is kept in results.

    The prices are the kernel files' kept runs beside the model's published run of the same CPU, a table for
    each CPU.
    """
    yield from tables(columns_of(read_json(KEPT_CENSUS)))
    for cpu, files in kernel_table.by_cpu(kernel_table.runs()).items():
        yield from ("", f"{cpu}:", "")
        yield from prices([*_model_of(files[0].run), *files])


def _model_of(run: Run) -> Iterator[Analysis]:
    """The published run of the CPU that a run is of; none where none was published."""
    for entry in overview.current(machines.entries()):
        if all(run.facts.get(name) == entry.machine.get(name) for name in ("cpu_family", "cpu_model")):
            yield analysed(machines.FOLDER / entry.key / machines.RUN)
