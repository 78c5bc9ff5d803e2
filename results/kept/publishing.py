"""`python -m results publish`: a run into the folder of its machine, if it can be quoted."""

import hashlib
import json
from pathlib import Path

from model.common.errors import FileError, UsageError
from model.common.files import read_bounded, write_new
from model.vocabulary.formats import MACHINE, MOST_BYTES, OLDER_INSTRUMENT
from model.vocabulary.machine import NAMES
from results.analysis.groups import analyse, analysis_of
from results.analysis.kernel_files import only_files
from results.analysis.machines import ENTRY, FOLDER, MARGIN, RUN
from results.analysis.seeds import verdicts_of
from results.output import as_json as shown
from results.reading.cpus import processor_line
from results.reading.dates import date_of
from results.reading.load import Run
from results.reading.machine import key_of, machine_of
from results.reading.places import command_without_places, without_places


def publish(run: Run, folder: Path = FOLDER, *, replace: bool = False, second: Run | None = None) -> Path:
    """Store a run in the folder of its machine.

    Parameters
    ----------
    replace
        Replace the run that is there.
    second
        The same with another seed, for its verdicts.

    Returns
    -------
    The machine's folder.

    Raises
    ------
    UsageError
        For a run that is not of one machine and one commit, or where there is a run already.
    FileError
        When it cannot be written.
    """
    _check_publishable(run)
    machine = machine_of(run)
    place = folder / key_of(machine)
    if (place / ENTRY).exists() and not replace:
        there = json.loads((place / ENTRY).read_text())
        raise UsageError(
            f"{place} has a run of {there['date'][:10]}, commit {there['commit']}: --force replaces it"
        )
    source = without_places(read_bounded(run.path, MOST_BYTES))
    figures = shown.document(analysis_of(run, MARGIN))
    document = {
        "schema": MACHINE,
        "machine": machine,
        "processor": processor_line(run.facts),
        "date": date_of(run),
        "commit": run.facts["commit"],
        "command": command_without_places(str(run.facts.get("freepath_command", "unknown"))),
        "instrument": run.facts.get("instrument", OLDER_INSTRUMENT),
        **(
            {"second": {"seed": int(second.facts["seed"]), "verdicts": verdicts_of(analyse(second, MARGIN))}}
            if second
            else {}
        ),
        "run": {"file": RUN, "sha256": hashlib.sha256(source).hexdigest()},
        "figures": {**figures, "run": {"warnings": figures["run"]["warnings"]}},
    }
    try:
        place.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FileError(f"cannot write {place}: {error.strerror}") from None
    write_new(place / RUN, source, replace=replace)
    write_new(place / ENTRY, json.dumps(document, separators=(",", ":")) + "\n", replace=replace)
    return place


def _check_publishable(run: Run) -> None:
    if only_files(run):
        raise UsageError(f"{run.path} is of a kernel file: publish a run of the models")
    check_kept(run)
    if run.facts.get("store_bypass", "on") != "on":
        raise UsageError(
            f"{run.path} was measured with store bypass off: publish a run of the CPU as it runs"
        )
    if run.facts.get("sibling", "as-found") != "as-found":
        raise UsageError(f"{run.path} was measured with --sibling busy: publish a run of the CPU as found")


def check_kept(run: Run) -> None:
    """Refuse a run that could not be quoted: of several machines or commits, of a commit that nobody has.

    Raises
    ------
    UsageError
    """
    # The host name does not matter, and appended processes have seeds of their own.
    may_differ = ("hostname", "seed", *NAMES)
    mixed = [*run.mixed]
    mixed += [name for name, fact in run.facts.items() if isinstance(fact, tuple) and name not in may_differ]
    commit = str(run.facts.get("commit", "unknown"))
    unknown = [name for name in ("cpu_vendor", "cpu_family", "cpu_model") if name not in run.facts]
    if mixed:
        raise UsageError(f"{run.path} mixes {', '.join(mixed)}: publish a run of one machine and one commit")
    if commit == "unknown" or commit.endswith("-dirty"):
        raise UsageError(f"{run.path} is of commit {commit}: publish a run of a clean checkout")
    if unknown:
        raise UsageError(f"{run.path} does not say which processor it is of: measure with this version")
    if not date_of(run):
        raise UsageError(f"{run.path} does not say when it was measured")
    if Path(run.path).is_dir():
        raise UsageError(f"{run.path} was interrupted: finish it, python -m benchmarks --resume {run.path}")
