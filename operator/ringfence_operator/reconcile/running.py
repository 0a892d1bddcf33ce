"""A job that holds its reservation: attempts of silos and of the coordinator, what became of them, its end."""

from __future__ import annotations

from ringfence_operator import reasons
from ringfence_operator.actions import Ask, Question
from ringfence_operator.reconcile import attempts, pausing, progress, stalling, waiting
from ringfence_operator.reconcile.admitting import ask_later
from ringfence_operator.reconcile.outcomes import task_ended
from ringfence_operator.reconcile.turn import Turn, seconds
from ringfence_operator.seen import Accepted, Refused, Task


def run(turn: Turn) -> None:
    """Decides in this order: the deadline, what ended, who is lost, what to begin, what people are told."""
    if _collided(turn) or _deadline_passed(turn):
        return
    progress.read(turn)
    if _coordinator_ended(turn):
        return
    stalling.stalled(turn)
    for silo in turn.job.spec.silos:
        attempts.settle(turn, silo.name)
    if _quorum_lost(turn):
        return
    attempts.tell_lost(turn)
    _tell_start(turn)
    if not _too_late(turn):
        _begin(turn)


def _collided(turn: Turn) -> bool:
    """Another's object has the name of one of ours: it is left alone, and somebody should look."""
    trouble = turn.seen.findings.trouble
    if trouble is None or trouble.reason != reasons.NAME_COLLISION:
        return False
    turn.fail(trouble.reason, trouble.message)
    return True


def _deadline_passed(turn: Turn) -> bool:
    most, started = turn.job.spec.active_deadline_seconds, turn.status.started
    ran = (turn.status.ran_seconds or 0) + (turn.now - seconds(started) if started else 0)
    if most is None:
        return False
    if ran >= most:
        turn.fail(reasons.DEADLINE_EXCEEDED, f"the job ran longer than activeDeadlineSeconds, {most}")
        return True
    attempts.look_again(turn, most - ran)
    return False


def _coordinator_ended(turn: Turn) -> bool:
    """The coordinator alone says that the job is done, or why it cannot be."""
    task = coordinator(turn)
    if task is None or not (task.complete or task.failed):
        return False
    if task.failed:
        reason, message = task_ended(task, turn.seen.children.of("", task.attempt).pods)
        turn.fail(reason, message)
        return True
    answer = turn.seen.findings.endorsement
    if answer is None:
        turn.do(Ask(Question.ENDORSE))
    elif isinstance(answer, Refused) and answer.reason in reasons.WAITING_IS_WORTH_IT:
        ask_later(turn, Question.ENDORSE, answer)
    elif isinstance(answer, Refused):
        turn.fail(reasons.NOT_ENDORSED, answer.message)
    else:
        place = f"{turn.job.spec.output}/{turn.seen.job.uid}"
        turn.update(
            round=answer.rounds,
            epsilon=answer.epsilon,
            metrics=dict(answer.metrics) or None,
            model=turn.status.model or f"{place}/model.safetensors",
            statement=turn.status.statement or f"{place}/statement.json",
        )
        turn.condition("Complete", True, reasons.TRAINED, f"model and statement are in {place}")
        turn.end(reasons.TRAINED)
    return True


def coordinator(turn: Turn) -> Task | None:
    """The coordinator's Job of this run."""
    found = turn.seen.children.of("", turn.status.run or 0)
    anchors = {anchor.uid for anchor in found.anchors}
    return next((task for task in found.tasks if task.anchor in anchors), None)


def _quorum_lost(turn: Turn) -> bool:
    lost = [one for one in turn.status.silos if one.state == "Lost"]
    if len(turn.status.silos) - len(lost) >= turn.job.spec.quorum:
        return False
    causes = {one.reason or reasons.WORKLOAD_FAILED for one in lost}
    words = "; ".join(f"silo {one.name}: {one.message}" for one in lost)
    turn.fail(
        causes.pop() if len(causes) == 1 else reasons.QUORUM_LOST,
        f"{len(turn.status.silos) - len(lost)} of the {turn.job.spec.quorum} silos of the quorum are left; {words}",
    )
    return True


def _begin(turn: Turn) -> None:
    """Attempts of whoever has none. Needs acceptance's findings, which a restarted operator asks for again.

    The coordinator comes once all silos have run: a round's deadline must not pass while Ray starts or a pod waits for
    its place. From then on it is made again whatever the silos do, since the job goes on at quorum.
    """
    missing = [one.name for one in turn.status.silos if attempts.may_begin(turn, one.name)]
    headless = attempts.coordinator_missing(turn) and turn.holds("Progressing")
    if not missing and not headless:
        return
    trouble = turn.seen.findings.trouble
    if trouble is not None and attempts.held_back(turn, trouble):
        return
    answer = turn.seen.findings.acceptance
    if isinstance(answer, Refused):
        ask_later(turn, Question.ACCEPT, answer)
        return
    if not isinstance(answer, Accepted):
        turn.do(Ask(Question.ACCEPT))
        return
    if headless:
        attempts.begin_coordinator(turn)
    for name in missing:
        attempts.begin(turn, name)


def _tell_start(turn: Turn) -> None:
    """ClustersReady and Progressing: who runs, and in the pods' own words why the others do not."""
    expected = [one for one in turn.status.silos if one.state != "Lost"]
    ready = [one for one in expected if one.state in ("Training", "Done")]
    turn.update(silos_ready=f"{len(ready)}/{len(turn.status.silos)}")
    words = attempts.trouble(turn) or waiting.explain(turn)
    if words is not None:
        turn.condition("ClustersReady", False, *words)
    elif len(ready) == len(expected):
        turn.condition("ClustersReady", True, reasons.RUNNING, f"{len(ready)} silos run")
    else:
        turn.condition("ClustersReady", False, reasons.STARTING, f"{len(ready)} of {len(expected)} silos run")
    if len(ready) == len(expected) and not turn.holds("Progressing"):
        turn.condition("Progressing", True, reasons.RUNNING, "silos train in rounds")


def _too_late(turn: Turn) -> bool:
    """Before the first time that all run, a start takes `limits.start` seconds at most: clusters are admitted one by
    one (by the scheduler or by Kueue), and two jobs that each hold a part would wait for each other for ever."""
    if turn.holds("Progressing"):
        return False
    left = seconds(turn.status.started) + turn.settings.limits.start - turn.now
    if left <= 0:
        pausing.requeue(turn)
    else:
        attempts.look_again(turn, left)
    return left <= 0
