"""How many users of a model can be trained at once: found by trying, on two users of two records.

A layer gets a kernel if it has one, is called exactly once a pass, on rows that are the records, and its parameters are
used nowhere else. If all trained parameters are covered so, groups of users train in lock-step; otherwise one user
after another, with the kernels that hold. And with a loss on one user only, nothing of the other may have a gradient.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ringfence.tasks.task import Batch
from ringfence.training.batches import RecordLoss, count, losses, take
from ringfence.training.flat import FlatModel
from ringfence.training.grouped import Lockstep
from ringfence.training.kernels import Kernel, kernel_of
from ringfence.training.stacks import Sgd

Covered = frozenset[str]
"""Names of the modules that have a kernel."""

_ROWS = 2


def choose(model: FlatModel, task: RecordLoss, data: Batch, sgd: Sgd) -> Covered:
    """The modules of `model` whose kernels hold for this task. `data` has at least one record."""
    names = frozenset(_kernels(model, None))
    while names:
        lockstep = assemble(model, task, sgd, names)
        faulty = _faulty(lockstep, data)
        lockstep.restore()
        if not faulty:
            return names
        names -= {name for name, module in model.module.named_modules() if module in faulty}
    return names


def assemble(model: FlatModel, task: RecordLoss, sgd: Sgd, covered: Covered) -> Lockstep:
    """The model with kernels for these modules."""
    kernels = _kernels(model, covered)
    slot_of = {id(parameter): slot for slot, parameter in enumerate(model.parameters)}
    taken = {
        slot_of[id(parameter)]
        for kernel in kernels.values()
        for parameter in kernel.module._parameters.values()
        if parameter is not None
    }
    others = [slot for slot in range(len(model.parameters)) if slot not in taken]
    return Lockstep(model, task, list(kernels.values()), others, sgd, torch.Generator())


def _kernels(model: FlatModel, covered: Covered | None) -> dict[str, Kernel]:
    """Kernels by module name: of the covered ones, or of all modules whose parameters are all trained and unshared."""
    slot_of = {id(parameter): slot for slot, parameter in enumerate(model.parameters)}
    uses = [id(p) for module in model.module.modules() for p in module._parameters.values() if p is not None]
    found = {}
    for name, module in model.module.named_modules():
        if covered is not None and name not in covered:
            continue
        present = {key: parameter for key, parameter in module._parameters.items() if parameter is not None}
        slots = {key: slot_of[id(parameter)] for key, parameter in present.items() if id(parameter) in slot_of}
        if not present or len(slots) != len(present) or any(uses.count(id(one)) > 1 for one in present.values()):
            continue
        kernel = kernel_of(module, model, slots)
        if kernel is not None:
            found[name] = kernel
    return found


def _faulty(lockstep: Lockstep, data: Batch) -> list[torch.nn.Module]:
    """The modules that must do without a kernel: those at fault, or all of them where no single one is."""
    everything = [kernel.module for kernel in lockstep.kernels]
    users = 1 if lockstep.others else 2
    for kernel in lockstep.kernels:
        kernel.calls = 0
    try:
        batch = take(data, torch.arange(users * _ROWS) % count(data))
        batch = {name: tensor.nan_to_num(0.0, 0.0, 0.0) for name, tensor in batch.items()}
        lockstep.begin(users, 2, _ROWS)
        with lockstep.listening():
            values = losses(lockstep.task, lockstep.model.module, batch)
        called = [kernel.module for kernel in lockstep.kernels if kernel.calls != 1]
        return called or (everything if _leaks(lockstep, values, users) else [])
    except Exception:  # the task itself may be at fault; without kernels that shows
        return [kernel.module for kernel in lockstep.kernels if kernel.calls > 1 or kernel.refused] or everything


def _leaks(lockstep: Lockstep, values: Tensor, users: int) -> bool:
    """Whether a covered parameter is used past its kernel, or a loss of the last user reaches another."""
    if not values.requires_grad:
        return False
    weights = torch.zeros(users, _ROWS)
    weights[-1] = 1
    own = lockstep.model.parameters
    covered = [own[slot] for slot in range(len(own)) if slot not in lockstep.others]
    leaves = lockstep.leaves()
    gradients = torch.autograd.grad((values * weights.flatten()).sum(), [*leaves, *covered], allow_unused=True)
    if any(gradient is not None for gradient in gradients[len(leaves) :]):
        return True
    own_gradients = iter(gradients)
    reached = [kernel.reached([next(own_gradients) for _ in kernel.leaves()]) for kernel in lockstep.kernels]
    return any(bool(users_reached[:-1].any()) for users_reached in reached)
