"""Which scenarios of a run are of kernel files.

A kernel file's name is a release, `6.12.117+deb12-cloud-amd64`; a model's is a version, `v6.18`.
"""

from collections.abc import Sequence

from model.vocabulary.scenario import RELEASE
from results.analysis.groups import Group
from results.reading.load import Run


def groups_of(groups: Sequence[Group]) -> list[Group]:
    """The scenarios of kernel files."""
    return [group for group in groups if RELEASE.fullmatch(group.scenario.axes["kernel"])]


def only_files(run: Run) -> bool:
    """Whether nothing of a model was measured."""
    kernels = {scenario.axes["kernel"] for scenario in run.scenarios}
    return bool(kernels) and all(RELEASE.fullmatch(kernel) for kernel in kernels)
