"""A model served on this machine: it is asked once, and what it answered is the proof.

The server ends with the run, since nothing may outlive what a user started; the answer says how to
keep one.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from urllib.request import ProxyHandler, Request, build_opener

from autogpt.agent.checks import Check, Checked, Scene
from autogpt.agent.errors import GaveUpError
from autogpt.agent.plans.base import Answer, Choose, Goal, Plan, Template, Use
from autogpt.core.catalog import read_catalog

__all__ = ["SERVE", "Answers", "models_named", "models_of"]

_ASKED = re.compile(
    r"\b(?:serve|deploy|host)\b|\bstart (?:an? |the )?(?:\w+ )?(?:server|api)\b"
    r"|部署|(?:启动|开启|提供|运行)[^。，]{0,16}(?:服务|接口)",
    re.IGNORECASE,
)
_SAID = (
    "serve", "deploy", "host", "start", "server", "api", "model", "with", "openai", "compatible",
    "run", "machine", "locally", "this",
    "部署", "启动", "开启", "提供", "运行", "服务", "接口", "模型", "成", "为", "本机", "本地",
)  # fmt: skip
_PATIENCE_S = 120.0


def models_of(goal: Goal) -> list[str]:
    """Return what can be served: model folders inside, else what the catalog has."""
    folders = {path.rpartition("/")[0] for path in goal.files if path.endswith("/config.json")}
    own = {folder.removesuffix("/model") for folder in folders}
    return [*sorted(own), *(name for name in read_catalog().models if name not in own)]


def models_named(goal: Goal) -> list[str]:
    """Return the models that a goal names; of names within names the longest."""
    found = [
        name
        for name in models_of(goal)
        if re.search(rf"(?<![\w./-]){re.escape(name)}(?![\w-])", goal.text, re.IGNORECASE)
    ]
    return [one for one in found if not any(one != other and one in other for other in found)]


def _fits(goal: Goal) -> float:
    return 0.95 if _ASKED.search(goal.text) and models_named(goal) else 0.0


def _plan(goal: Goal) -> Plan:
    named = models_named(goal)
    model = yield Choose("Which model?", models_of(goal), named if len(named) == 1 else (), "model")
    result = yield Use("serve_model", {"model": model.option})
    if not result.ok:
        raise GaveUpError(str(result.value))
    address, name = str(result.value["address"]), str(result.value["name"])
    checks: list[Check] = [Answers(address=address, model=name)]
    keep = f"autogpt serve {model.option}"
    text = (
        f"{name} 在 {address} 作了回答；服务随本次运行结束。要让它一直运行：{keep}"
        if goal.chinese
        else f"{name} answered at {address}; that server ends with this run. To keep one: {keep}"
    )
    return Answer(text=text, checks=checks, slots=[model], covers=[model.option, *_SAID])


@dataclass(frozen=True, kw_only=True, slots=True)
class Answers:
    """A server on this machine answers a chat of one word.

    Attributes:
        address: Of its API, up to ``/v1``.
        model: What requests call the model.
    """

    address: str
    model: str

    def run(self, scene: Scene) -> Checked:  # noqa: ARG002 - as of Check
        """Ask it."""
        name = f"{self.model} answers at {self.address}"
        asked = {
            "model": self.model,
            "messages": [{"role": "user", "content": "Hello"}],
            "max_tokens": 4,
        }
        request = Request(
            f"{self.address}/chat/completions",
            data=json.dumps(asked).encode(),
            headers={"Content-Type": "application/json"},
        )
        try:
            with build_opener(ProxyHandler({})).open(request, timeout=_PATIENCE_S) as response:
                said = json.load(response)["choices"][0]["message"]["content"]
        except (OSError, ValueError, LookupError, TypeError) as error:
            return Checked(name=name, passed=False, detail=str(error))
        return Checked(name=name, passed=True, detail=f"{said!r:.80}")


SERVE = Template(
    name="serve",
    about="Serve a model on this machine and see that it answers.",
    fits=_fits,
    plan=_plan,
    needs=("serve_model",),
)
