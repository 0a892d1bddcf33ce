"""Chains of stages that would not do what is accounted are refused, with the stage and what to change."""

from __future__ import annotations

from fractions import Fraction

import pytest

from ringfence.errors import PlanImpossible
from ringfence.privacy.stages import (
    CENTRAL_NOISE,
    CLIP,
    MEAN,
    NOISE,
    SERVER_STEP,
    SUM,
    SUM_OVER_SILOS,
    Place,
    Role,
    Stage,
    chain_of,
    check_chain,
)

KRUM = Stage("krum", Place.COORDINATOR, linear=False, individual=True, sensitivity=lambda before: None)
TOP_K = Stage("top-k", Place.SILO, linear=False, individual=True, sensitivity=lambda before: before)
MASK = Stage("mask", Place.SILO, linear=True, individual=False, sensitivity=lambda before: before, role=Role.MASK)
UNMASK = Stage("unmask", Place.COORDINATOR, linear=True, individual=False, sensitivity=lambda b: b, role=Role.UNMASK)
WEIGHTS = Stage("weights of 3", Place.SILO, linear=True, individual=False, sensitivity=lambda b: b and 3 * b)


@pytest.mark.parametrize("whole", [True, False])
@pytest.mark.parametrize("private", [True, False])
def test_what_a_job_does_is_sound(private, whole):
    check_chain(chain_of(private=private, whole=whole), private=private, where="dataset d", whole=whole)


UNSOUND_OVER_SILOS = {
    "no clip": ((SUM_OVER_SILOS, CENTRAL_NOISE), "nothing bounds what one unit changes"),
    "clip undone before it leaves": ((CLIP, WEIGHTS, SUM_OVER_SILOS), "what reaches sum over silos at the"),
    "no noise": ((CLIP, SUM_OVER_SILOS, SERVER_STEP), "the next model is not noised"),
}


@pytest.mark.parametrize("name", UNSOUND_OVER_SILOS)
def test_where_the_coordinator_is_trusted_it_must_get_clipped_updates_and_noise_them(name):
    chain, words = UNSOUND_OVER_SILOS[name]
    with pytest.raises(PlanImpossible, match=words):
        check_chain(chain, private=True, where="dataset d", whole=True)


def test_other_units_do_not_trust_the_coordinator_with_noise():
    chain = chain_of(private=True, whole=True)
    with pytest.raises(PlanImpossible, match="what reaches sum over silos at the coordinator is not noised"):
        check_chain(chain, private=True, where="dataset d")


SOUND = {
    "compressed before the clip": (TOP_K, CLIP, SUM, NOISE, MEAN, SERVER_STEP),
    "compressed after the noise": (CLIP, SUM, NOISE, TOP_K, MEAN, SERVER_STEP),
    "masked sum": (CLIP, SUM, NOISE, MASK, MEAN, UNMASK, SERVER_STEP),
    "krum on noised updates": (CLIP, SUM, NOISE, KRUM, SERVER_STEP),
}


@pytest.mark.parametrize("name", SOUND)
def test_a_sound_chain_is_accepted(name):
    check_chain(SOUND[name], private=True, where="dataset d")


UNSOUND = {
    "no noise": ((CLIP, SUM, MEAN, SERVER_STEP), "what reaches mean at the coordinator is not noised"),
    "noise at the coordinator": ((CLIP, SUM, MEAN, NOISE), "what reaches mean at the coordinator is not noised"),
    "no clip": ((SUM, NOISE, MEAN, SERVER_STEP), "nothing bounds what one unit changes where noise is drawn"),
    "unbounded weights": (
        (CLIP, SUM, WEIGHTS, NOISE, MEAN),
        "3 times the clip bounds what one unit changes where noise is drawn",
    ),
    "krum on masks": ((CLIP, SUM, NOISE, MASK, KRUM, UNMASK), "krum needs single updates and cannot run on masked"),
    "top-k under masks": ((CLIP, SUM, NOISE, MASK, TOP_K, MEAN, UNMASK), "top-k needs single updates"),
    "server step on masks": ((CLIP, SUM, NOISE, MASK, MEAN, SERVER_STEP, UNMASK), "server step is not linear"),
    "masks left on": ((CLIP, SUM, NOISE, MASK, MEAN), "masks are still on at the end"),
}


@pytest.mark.parametrize("name", UNSOUND)
def test_an_unsound_chain_is_refused(name):
    chain, words = UNSOUND[name]
    with pytest.raises(PlanImpossible, match=words) as caught:
        check_chain(chain, private=True, where="dataset d")
    assert caught.value.where == "dataset d" and caught.value.remedy


def test_public_rows_need_no_noise_and_masks_hold_there_too():
    check_chain((SUM, MEAN, SERVER_STEP), private=False, where="")
    with pytest.raises(PlanImpossible, match="krum needs single updates"):
        check_chain((SUM, MASK, KRUM, UNMASK), private=False, where="")


def test_a_clip_bounds_whatever_came_before_it():
    assert CLIP.sensitivity(None) == CLIP.sensitivity(Fraction(7)) == 1
