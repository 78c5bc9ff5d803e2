"""`results show --format json`: every figure of a run."""

import json
from typing import Any

from model.vocabulary.formats import SHOW
from results.analysis.conditions import CONDITIONS
from results.analysis.groups import Analysis, Cell, Judged
from results.output.words import number, pair, run_facts, run_warnings


def document(analysis: Analysis) -> dict[str, Any]:
    """The document of `--format json` (schemas/show.schema.json)."""
    run, groups = analysis.run, analysis.groups
    floors = [group.floor_ns for group in groups if group.floor_ns is not None]
    return {
        "schema": SHOW,
        "run": {**run_facts(run), "warnings": list(run_warnings(run))},
        "noise_floor_ns": number(max(floors)) if floors else None,
        "scenarios": [
            {
                "scenario": group.scenario.name,
                "base_ns": number(group.base_ns),
                "noise_floor_ns": number(group.floor_ns),
                "layout_floor_ns": number(group.layout_floor_ns),
                "bare_ns": number(group.cells[0].overhead.bare_ns),
                "warnings": group.warnings,
                "condition": group.condition,
            }
            for group in groups
        ],
        "cells": [cell_document(cell) for group in groups for cell in group.cells],
    }


def cell_document(cell: Cell) -> dict[str, Any]:
    """One cell; null where one process gives no figure."""
    overhead, judged, spread = cell.overhead, cell.judgement, cell.overhead.spread
    return {
        "scenario": cell.scenario.name,
        **cell.scenario.axes,
        "variant": overhead.arm.variant,
        "gate": overhead.arm.gate,
        "base_gate": overhead.base.gate,
        "base_ns": number(overhead.base_ns),
        "overhead_ns": number(overhead.ns),
        "ci95_ns": pair(judged.ci95),
        "ci95_corrected_ns": pair(judged.ci95_corrected),
        "overhead_pct": number(overhead.pct),
        "busy_overhead_ns": number(overhead.busy_ns),
        "noise_within_ns": number(overhead.noise.within),
        "noise_between_ns": number(overhead.noise.between),
        "layout_sd_ns": number(overhead.noise.placement),
        "layouts": overhead.layouts,
        "blocks": overhead.blocks,
        "processes": overhead.processes,
        "margin_ns": number(judged.margin_ns),
        "detectable_ns": number(judged.detectable_ns),
        "needs_s": number(cell.seconds_needed),
        "verdict": judged.verdict,
        "bare_ns": number(overhead.bare_ns),
        "cycle_ns": number(overhead.cycle_ns),
        "overhead_cycles": number(overhead.cycles),
        "predicted_cycles": number(cell.predicted_cycles),
        "builds": spread.builds,
        "build_sd_ns": number(spread.sd_ns),
        "builds_paying": number(spread.paying),
        "builds_saving": number(spread.saving),
        "by_build_ns": [number(ns) for ns in spread.by_build],
        "by_stack_ns": [number(ns) for ns in spread.by_stack],
        "levels_ns": pair(overhead.levels),
        "condition": cell.condition,
        **{condition: _in_condition(cell.conditions.get(condition)) for condition in CONDITIONS},
    }


def _in_condition(judged: Judged | None) -> dict[str, Any] | None:
    """A cell's figure in one condition; null where there was not enough of it."""
    if judged is None:
        return None
    overhead, judgement = judged.overhead, judged.judgement
    return {
        "base_ns": number(overhead.base_ns),
        "bare_ns": number(overhead.bare_ns),
        "overhead_ns": number(overhead.ns),
        "ci95_ns": pair(judgement.ci95),
        "ci95_corrected_ns": pair(judgement.ci95_corrected),
        "noise_floor_ns": number(judgement.floor_ns),
        "margin_ns": number(judgement.margin_ns),
        "detectable_ns": number(judgement.detectable_ns),
        "blocks": overhead.blocks,
        "processes": overhead.processes,
        "verdict": judgement.verdict,
    }


def as_json(analysis: Analysis) -> str:
    """JSON, indented."""
    return json.dumps(document(analysis), indent=2, allow_nan=False) + "\n"
