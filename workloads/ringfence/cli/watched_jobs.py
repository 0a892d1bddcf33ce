"""Where a watched job is looked at: the state directory of this machine, or the API server of a kubeconfig."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from ringfence.errors import ClusterError, InvalidInput, ObjectNotFound, RingfenceError
from ringfence.observe import tally
from ringfence.observe.watched import Watched, of_run, of_status

Look = Callable[[], Watched]


def on_this_machine(job: str | None) -> Look:
    """The run here whose uid begins with `job` or whose name it is, by default the newest. Raises ObjectNotFound."""
    from ringfence.federation.state import StateDirectory

    state = StateDirectory()
    uid = next((uid for uid in state.runs() if job is None or _is(job, uid, _progress(state, uid))), None)
    if uid is None:
        raise ObjectNotFound(
            f"no run of {job!r} here" if job else "nothing ran here",
            where=str(state.root),
            remedy="begin one with `ringfence run`; --namespace watches a cluster",
        )

    def look() -> Watched:
        running = state.running(uid)  # asked first: what a run wrote before it ended is then seen below
        progress = _progress(state, uid)
        tallies = {silo: tally.read(state.tally_path(uid, silo)) for silo in progress["silos"]}
        return of_run(progress, tallies, running=running)

    return look


def _progress(state: Any, uid: str) -> dict[str, Any]:
    path = state.progress_path(uid)
    try:
        found: dict[str, Any] = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise ObjectNotFound("the run left no progress", where=str(path)) from error
    return found


def _is(job: str, uid: str, progress: dict[str, Any]) -> bool:
    return uid.startswith(job) or job in (progress["name"], f"{progress['namespace']}/{progress['name']}")


def in_cluster(namespace: str, job: str | None) -> Look:
    """The FederatedJob of that name. Raises InvalidInput without a usable kubeconfig, ObjectNotFound."""
    if job is None:
        raise InvalidInput("which job?", where="--namespace", remedy=f"kubectl get fj -n {namespace}")
    from kubernetes import client, config
    from urllib3.exceptions import HTTPError

    try:
        config.load_kube_config()  # type: ignore[no-untyped-call]
    except (config.ConfigException, OSError) as error:
        raise InvalidInput("no usable kubeconfig", remedy="set KUBECONFIG, or try `kubectl get fj` first") from error
    api = client.CustomObjectsApi()
    last: list[Watched] = []

    def look() -> Watched:
        try:
            found: Any = api.get_namespaced_custom_object(
                "ringfence.dev", "v1alpha1", namespace, "federatedjobs", job, _request_timeout=10
            )
        except client.ApiException as error:
            raise _refused(error.status, error.reason, f"{namespace}/{job}") from error
        except HTTPError as error:
            if not last:
                raise ClusterError("the API server does not answer", remedy="try `kubectl get fj` first") from error
            return replace(last[-1], note="the API server does not answer")
        last[:] = [of_status(found, datetime.now(UTC))]
        return last[-1]

    return look


def _refused(status: int | None, reason: str | None, where: str) -> RingfenceError:
    if status == 404:
        return ObjectNotFound("no such FederatedJob", where=where, remedy="see `kubectl get fj -A`")
    return ClusterError(f"the API server says no: {reason} ({status})", where=where)
