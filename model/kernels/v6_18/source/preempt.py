"""Preemption counted, and read-side sections of RCU (include/linux/preempt.h, kernel/rcu/tree_plugin.h)."""

from model.compiler.intrinsics import as_long, rare, read_once, unlikely, write_once
from model.kernels.v6_18.source.linkage import kernel_function, static_inline
from model.kernels.v6_18.source.records import preempt_dec_and_test, preempt_inc, task_at, this_cpu_read
from model.kernels.v6_18.source.report import beyond, preempt_schedule


@static_inline
def preempt_disable() -> None:
    """Count; nothing else."""
    preempt_inc("preempt_count")


@static_inline
def preempt_enable() -> None:
    """Decrement, and call the scheduler when it became zero."""
    if unlikely(preempt_dec_and_test("preempt_count")):
        preempt_schedule()


@kernel_function
def __rcu_read_lock() -> None:
    """One more section that the task is in."""
    task = task_at(this_cpu_read("current"))
    task.rcu_nesting += 1


@kernel_function
def __rcu_read_unlock() -> None:
    """One section less; the last one may have special work to do."""
    task = task_at(this_cpu_read("current"))
    nesting = as_long(read_once(task, "rcu_nesting")) - 1
    write_once(task, "rcu_nesting", nesting)
    if nesting == 0 and unlikely(read_once(task, "rcu_special") != 0):
        rare()
        beyond(task)
