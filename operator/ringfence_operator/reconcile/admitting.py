"""Before anything is reserved: a well-formed job, a granted output, budgets, consent, and acceptance by their terms.

A refusal that only a new job could lift ends it; one that its surroundings may lift (a budget not applied yet, consent
not given yet, a store that does not answer) lets it wait, told in `Accepted`.
"""

from __future__ import annotations

from ringfence.spec.budget import PrivacyBudget
from ringfence.spec.placing import thousandths
from ringfence.spec.status import SiloStatus
from ringfence_operator import reasons
from ringfence_operator.actions import Again, Ask, AskConsent, Question
from ringfence_operator.reconcile.turn import Turn
from ringfence_operator.seen import Accepted, Refused
from ringfence_operator.settings import granted


def admitted(turn: Turn) -> bool:
    """Whether the job may go on to reserve, or has; decides what else to do when it may not."""
    if turn.seen.job.resource is None:
        turn.fail(reasons.INVALID_MANIFEST, turn.seen.job.fault)
        return False
    if not turn.holds("Accepted") and not _output_granted(turn):
        return False
    if not (_budgets_there(turn) and _consented(turn) and turn.hold()):
        return False
    return turn.holds("Accepted") or _accepted(turn)


def _output_granted(turn: Turn) -> bool:
    output, namespace = turn.job.spec.output, turn.job.metadata.namespace
    prefixes = granted(turn.settings, namespace)
    if not any(within(output, prefix) for prefix in prefixes):
        allowed = " or ".join(prefixes) or "nowhere"
        turn.fail(
            reasons.OUTPUT_NOT_GRANTED, f"spec.output {output}: jobs of namespace {namespace} write below {allowed}"
        )
        return False
    theirs = [budget.spec.dataset for budget in turn.seen.budgets.values() if budget is not None]
    theirs += [silo.dataset for silo in turn.job.spec.silos if silo.dataset is not None]
    for dataset in theirs:
        if within(output, dataset) or within(dataset, output):
            turn.fail(reasons.OUTPUT_NOT_GRANTED, f"spec.output {output} and dataset {dataset} lie within each other")
            return False
        if not dataset.startswith("s3://"):
            turn.fail(reasons.TERMS_REFUSED, f"dataset {dataset}: a cluster reads s3:// only")
            return False
    return True


def within(url: str, prefix: str) -> bool:
    """Whether `url` is `prefix` or lies below it."""
    return f"{url}/".startswith(f"{prefix.rstrip('/')}/")


def _budgets_there(turn: Turn) -> bool:
    """A budget that goes while the job holds a reservation takes its owner's consent with it."""
    gone = sorted(silo for silo, budget in turn.seen.budgets.items() if budget is None)
    if not gone:
        return True
    refs = {silo.name: silo.budget_ref for silo in turn.job.spec.silos if silo.budget_ref is not None}
    named = ", ".join(f"{refs[silo].namespace}/{refs[silo].name} of silo {silo}" for silo in gone if silo in refs)
    if turn.holds("BudgetReserved"):
        turn.fail(reasons.CONSENT_MISSING, f"PrivacyBudget {named} was deleted")
    else:
        turn.condition("Accepted", False, reasons.BUDGET_MISSING, f"there is no PrivacyBudget {named}")
    return False


def _consented(turn: Turn) -> bool:
    """Each owner's yes, not older than `limits.consent`; asked before reserving, at every attempt and while running."""
    findings, limits = turn.seen.findings, turn.settings.limits
    for silo in sorted(turn.seen.budgets):
        answer = findings.consent.get(silo)
        if answer is None or turn.now - answer.at >= (limits.consent if answer.allowed else limits.retry):
            turn.do(AskConsent(silo))
            return answer is not None and answer.allowed and turn.holds("BudgetReserved")
        if not answer.allowed:
            if turn.holds("BudgetReserved"):
                turn.fail(reasons.CONSENT_MISSING, f"silo {silo}: {answer.message}")
            else:
                turn.condition("Accepted", False, reasons.CONSENT_MISSING, f"silo {silo}: {answer.message}")
                turn.do(Again(limits.retry))
            return False
    if turn.holds("BudgetReserved") and turn.seen.budgets:
        oldest = min(findings.consent[silo].at for silo in turn.seen.budgets)
        turn.do(Again(max(0.1, oldest + limits.consent - turn.now)))
    return True


def _accepted(turn: Turn) -> bool:
    answer = turn.seen.findings.acceptance
    if answer is None:
        turn.do(Ask(Question.ACCEPT))
        return False
    if isinstance(answer, Refused):
        _refused(turn, answer)
        return False
    fault = next((words for budget in turn.seen.budgets.values() if (words := _too_much(turn, budget))), "")
    if fault:
        turn.fail(reasons.TERMS_REFUSED, fault)
        return False
    turn.update(silos=_pinned(turn, answer), rounds=turn.job.spec.rounds, round=0)
    turn.condition("Accepted", True, reasons.ACCEPTED, "schema, terms, code and consent hold")
    return True


def _refused(turn: Turn, answer: Refused) -> None:
    if answer.reason not in reasons.WAITING_IS_WORTH_IT:
        turn.condition("Accepted", False, answer.reason, answer.message)
        turn.fail(answer.reason, answer.message)
        return
    turn.condition("Accepted", False, answer.reason, answer.message)
    ask_later(turn, Question.ACCEPT, answer)


def ask_later(turn: Turn, question: Question, answer: Refused) -> None:
    """Asks again once the refusal is old enough; the time doubles with every try."""
    limits = turn.settings.limits
    due = answer.at + min(limits.retry * 2 ** min(answer.tries - 1, 10), limits.longest_retry) - turn.now
    turn.do(Again(due) if due > 0 else Ask(question))


def _pinned(turn: Turn, answer: Accepted) -> tuple[SiloStatus, ...]:
    """The silos as they start, held to the manifests that were accepted."""
    return tuple(
        SiloStatus(
            name=name,
            manifest_version=pin.version,
            manifest_digest=pin.digest,
            dataset=pin.dataset,
            before=pin.before or None,
        )
        for name, pin in sorted(answer.silos.items())
    )


def _too_much(turn: Turn, budget: PrivacyBudget | None) -> str:
    """What the job asks for above the owner's largest resources; empty when nothing."""
    asked = turn.job.spec.resources
    if budget is None or asked is None:
        return ""
    for name, most in budget.spec.runtime.max_resources.items():
        if name in asked.limits and thousandths(asked.limits[name]) > thousandths(most):
            place = f"{budget.metadata.namespace}/{budget.metadata.name}"
            return (
                f"resources.limits {name} {asked.limits[name]} is more than {most}, the most that {place} gives a job"
            )
    return ""
