"""Which scenarios of a run are of kernel files.

A kernel file's name is a release, `6.12.117+deb12-cloud-amd64`; a model's is a version, `v6.18`.
"""

from model.vocabulary.margin import Margin
from model.vocabulary.scenario import RELEASE
from results.analysis.groups import Group, analyse
from results.reading.load import Run


def groups_of(run: Run, margin: Margin) -> list[Group]:
    """The scenarios of kernel files."""
    return [group for group in analyse(run, margin) if RELEASE.fullmatch(group.scenario.axes["kernel"])]


def only_files(run: Run) -> bool:
    """Whether nothing of a model was measured."""
    kernels = {scenario.axes["kernel"] for scenario in run.scenarios}
    return bool(kernels) and all(RELEASE.fullmatch(kernel) for kernel in kernels)
