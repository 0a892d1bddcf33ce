"""Asking outside: ledgers and stores through the port, owners through the API server. Answers become findings."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from ringfence.errors import ClusterError, RingfenceError
from ringfence_operator import reasons
from ringfence_operator.actions import Document, Question
from ringfence_operator.ledgers.house import Asked
from ringfence_operator.names import GROUP
from ringfence_operator.seen import Consent, Refused, Seen

if TYPE_CHECKING:
    from ringfence_operator.controller.carrying import Hands

_FINDING = {
    Question.ACCEPT: "acceptance",
    Question.RESERVE: "reservation",
    Question.CLOSE: "closed",
    Question.ENDORSE: "endorsement",
    Question.REVOKE: "revoked",
}


async def ask(hands: Hands, seen: Seen, question: Question) -> None:
    """One question; a refusal is an answer."""
    uid, name = seen.job.uid, _FINDING[question]
    if question in (Question.RESERVE, Question.CLOSE) and not hands.leading():
        return
    began = time.monotonic()
    try:
        answer = await _answer(hands, seen, question)
    except RingfenceError as error:
        answer = Refused(error.reason, str(error), seen.now)
    if question is Question.RESERVE:
        result = answer.reason if isinstance(answer, Refused) else reasons.RESERVED
        hands.metrics.reserved(result, time.monotonic() - began)
    hands.notes.note(uid, **{name: answer})
    if question is Question.CLOSE and answer is True:
        hands.notes.note(uid, reservation=None, acceptance=None)
    if question is Question.RESERVE and answer is True:
        hands.notes.note(uid, closed=None)


async def _answer(hands: Hands, seen: Seen, question: Question) -> object:
    port = hands.port
    match question:
        case Question.CLOSE:
            await port.close(seen.job.uid, _datasets(seen), "ended or stopped")
        case Question.REVOKE:
            await port.revoke(seen.job.uid, seen.job.attempts)
        case Question.ACCEPT:
            return await port.accept(_asked(seen))
        case Question.RESERVE:
            answer = await port.reserve(_asked(seen))
            return Refused(answer.reason, answer.message, seen.now) if isinstance(answer, Refused) else answer
        case Question.ENDORSE:
            return await port.endorse(_asked(seen))
    return True


def _asked(seen: Seen) -> Asked:
    if seen.job.resource is None:
        raise ClusterError("a malformed job cannot be accepted")
    pins = {
        one.name: (one.manifest_version, one.manifest_digest)
        for one in seen.job.status.silos
        if one.manifest_version is not None and one.manifest_digest is not None
    }
    budgets = {silo: budget for silo, budget in seen.budgets.items() if budget is not None}
    return Asked(seen.job.uid, seen.job.resource, budgets, pins, (seen.job.status.round or 0) + 1)


def _datasets(seen: Seen) -> dict[str, str | None]:
    """Where the job may hold a reservation: what its status pinned, so that a deleted budget hides nothing."""
    signers = {silo: budget.spec.signer for silo, budget in seen.budgets.items() if budget is not None}
    private = {silo.name for silo in seen.job.resource.spec.silos if silo.budget_ref} if seen.job.resource else set()
    silos = [one for one in seen.job.status.silos if one.name in private and one.dataset]
    return {one.dataset or "": signers.get(one.name) for one in silos}


async def consent(hands: Hands, seen: Seen, silo: str) -> None:
    """May the job's service account `use` the silo's budget? The API server answers by the owner's own rules."""
    budget, resource = seen.budgets.get(silo), seen.job.resource
    if budget is None or resource is None:
        return
    namespace, account = budget.metadata.namespace, resource.spec.service_account_name
    user = f"system:serviceaccount:{seen.job.namespace}:{account}"
    try:
        found = await hands.api.create(_review(namespace, budget.metadata.name, user, seen.job.namespace))
        allowed = bool((found.get("status") or {}).get("allowed"))
        words = f"{user} may not use PrivacyBudget {namespace}/{budget.metadata.name}"
    except ClusterError as error:
        if error.status != 403:
            raise
        allowed, words = False, f"the operator may not act in namespace {namespace}: bind ClusterRole ringfence-silo"
    answers = {**hands.notes.of(seen.job.uid).consent, silo: Consent(allowed, "" if allowed else words, seen.now)}
    hands.notes.note(seen.job.uid, consent=answers)


def _review(namespace: str, budget: str, user: str, job_namespace: str) -> Document:
    asked = {"group": GROUP, "resource": "privacybudgets", "verb": "use", "name": budget, "namespace": namespace}
    groups = ["system:serviceaccounts", f"system:serviceaccounts:{job_namespace}", "system:authenticated"]
    return {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "LocalSubjectAccessReview",
        "metadata": {"namespace": namespace},
        "spec": {"user": user, "groups": groups, "resourceAttributes": asked},
    }
