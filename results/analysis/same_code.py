"""Whether arms of one name are the same code: within a run, and between two runs."""

from collections.abc import Iterator

from results.reading.arm_code import Sameness, settings_in
from results.reading.load import Arm, MeasuredScenario, Run


def mixed(scenario: MeasuredScenario) -> Iterator[str]:
    """A warning for each arm whose processes are known to have run different code."""
    for arm in scenario.arms:
        codes = scenario.codes_of(arm)
        if any(one.compared_with(other) == "other" for one in codes for other in codes):
            yield (
                f"{arm.name}: its processes ran {len(codes)} different codes ({'; '.join(map(str, codes))}), "
                "so their mean is the cost of neither"
            )


def compared(old: MeasuredScenario, new: MeasuredScenario, arm: Arm) -> Sameness:
    """Whether an arm is the same code in both; where one of them mixes codes, it is not."""
    found = {one.compared_with(other) for one in old.codes_of(arm) for other in new.codes_of(arm)}
    return "other" if "other" in found else "same" if found == {"same"} else "unknown"


def unlike_settings(old: Run, new: Run) -> list[str]:
    """Differences of the compiler's settings, unless every common arm is the same machine code."""
    before, after = _settings(old), _settings(new)
    if before == after or _all_the_same(old, new):
        return []
    return [f"compiler_settings: {', '.join(before)} and {', '.join(after)}"]


def _settings(run: Run) -> list[str]:
    return sorted({settings_in(process.facts) for s in run.scenarios for process in s.processes})


def _all_the_same(old: Run, new: Run) -> bool:
    known = {scenario.name: scenario for scenario in old.scenarios}
    return all(
        compared(known[scenario.name], scenario, arm) == "same"
        for scenario in new.scenarios
        if scenario.name in known
        for arm in scenario.arms
        if arm in known[scenario.name].arms
    )
