"""The budget of a run: its place in the queue, then the whole plan reserved in every ledger, or in none."""

from __future__ import annotations

from ringfence_operator import reasons
from ringfence_operator.actions import Again, Ask, Question
from ringfence_operator.reconcile.admitting import ask_later
from ringfence_operator.reconcile.turn import Turn, seconds, stamp
from ringfence_operator.seen import Accepted, Refused


def reserved(turn: Turn) -> bool:
    """Whether the job may run now. Jobs wait in the order of their arrival; only who could never fit is refused."""
    if turn.holds("BudgetReserved"):
        return True
    wait = seconds(turn.status.retry_after) - turn.now
    if wait > 0:
        turn.do(Again(wait))
        return False
    if turn.seen.ahead:
        _wait(turn, f"behind {', '.join(turn.seen.ahead[:3])}{' and more' if len(turn.seen.ahead) > 3 else ''}")
        return False
    acceptance, answer = turn.seen.findings.acceptance, turn.seen.findings.reservation
    if isinstance(acceptance, Refused):
        _refused(turn, acceptance, Question.ACCEPT)
        return False
    if not isinstance(acceptance, Accepted):
        turn.do(Ask(Question.ACCEPT))
        return False
    if answer is None:
        turn.do(Ask(Question.RESERVE))
        return False
    if isinstance(answer, Refused):
        _refused(turn, answer, Question.RESERVE)
        return False
    _start(turn)
    return True


def _start(turn: Turn) -> None:
    private = bool(turn.seen.budgets)
    words = "the whole plan is reserved in every ledger" if private else "every dataset is public: nothing to reserve"
    turn.condition("BudgetReserved", True, reasons.RESERVED if private else reasons.NOTHING_TO_RESERVE, words)
    turn.update(run=(turn.status.run or 0) + 1, started=stamp(turn.now), retry_after=None)


def _refused(turn: Turn, answer: Refused, question: Question) -> None:
    if answer.reason == reasons.WAITING_FOR_BUDGET:
        _wait(turn, answer.message)
        ask_later(turn, question, answer)
    elif answer.reason in reasons.WAITING_IS_WORTH_IT:
        turn.condition("BudgetReserved", False, answer.reason, answer.message)
        ask_later(turn, question, answer)
    else:
        turn.condition("BudgetReserved", False, answer.reason, answer.message)
        turn.fail(answer.reason, answer.message)


def _wait(turn: Turn, words: str) -> None:
    turn.condition("BudgetReserved", False, reasons.WAITING_FOR_BUDGET, words)
