"""The verb ``serve``: an OpenAI-compatible API, and the web page at /."""

from __future__ import annotations

import json
import logging
import sys
from contextlib import closing, nullcontext
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from autogpt.cli.offer import require
from autogpt.cli.options import Json, Policy, say_policy
from autogpt.core.errors import ConfigError, MissingExtraError, UsageError
from autogpt.core.units import parse_bytes

if TYPE_CHECKING:
    from autogpt.server.engine_client import ModelSpec
    from autogpt.server.rails import Rails
    from autogpt.server.tracing import Tracing

__all__ = ["serve"]

_MODELS = "Models"
_LIMITS = "How much is taken on"
_ACCESS = "Who may ask"


def serve(  # noqa: PLR0913 - each flag is spelled out for the user
    models: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[MODEL]...",
            help="One model or several: a run folder, a model folder, a file or a name; NAME=MODEL "
            "says what requests call it, else the last part of its path. None: see the page.",
        ),
    ] = None,
    host: Annotated[str, typer.Option(help="Address to listen at.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port; 0 takes a free one.")] = 8000,
    api_key_file: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            rich_help_panel=_ACCESS,
            help="Lines of NAME KEY, or NAME sha256:HASH, each perhaps with 'admin' behind it. "
            "Needed where other machines reach the address.",
        ),
    ] = None,
    allow_host: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            rich_help_panel=_ACCESS,
            help="A name in the Host header that is this server's, as behind a proxy.",
        ),
    ] = None,
    allow_origin: Annotated[
        list[str] | None,
        typer.Option(
            metavar="URL",
            rich_help_panel=_ACCESS,
            help="Origin of web pages that may ask, as https://example.org.",
        ),
    ] = None,
    adapter: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=FOLDER",
            rich_help_panel=_MODELS,
            help="Serve the first model with this LoRA adapter under a name of its own.",
        ),
    ] = None,
    available: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=MODEL",
            rich_help_panel=_MODELS,
            help="A model that is not loaded yet: POST /v1/models/NAME/load does it.",
        ),
    ] = None,
    quantize: Annotated[
        str | None,
        typer.Option(
            metavar="int8|int4",
            rich_help_panel=_MODELS,
            help="Round the weights to 8 or 4 bits: less memory, several times as fast.",
        ),
    ] = None,
    dtype: Annotated[
        str,
        typer.Option(
            metavar="auto|float32|bfloat16", rich_help_panel=_MODELS, help="To compute in."
        ),
    ] = "float32",
    threads: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            min=1,
            rich_help_panel=_LIMITS,
            help="Threads of the engine; else all cores.",
        ),
    ] = None,
    cache: Annotated[
        str | None,
        typer.Option(
            metavar="SIZE",
            rich_help_panel=_LIMITS,
            help="Memory of a model for what texts have read, as 500MB, taken as it is used; at "
            "least a whole context. Else a quarter of what is free.",
        ),
    ] = None,
    max_running: Annotated[
        int,
        typer.Option(metavar="N", rich_help_panel=_LIMITS, help="Texts that are written at once."),
    ] = 16,
    max_running_per_key: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            rich_help_panel=_LIMITS,
            help="Of one key; else three quarters of them where there are several keys.",
        ),
    ] = None,
    max_waiting: Annotated[
        int,
        typer.Option(
            metavar="N", rich_help_panel=_LIMITS, help="Requests that may wait; more are told 429."
        ),
    ] = 64,
    max_tokens: Annotated[
        int, typer.Option(metavar="N", rich_help_panel=_LIMITS, help="Most tokens of a text.")
    ] = 4096,
    rate: Annotated[
        int | None,
        typer.Option(
            metavar="N", rich_help_panel=_LIMITS, help="Most requests a minute of one key."
        ),
    ] = None,
    grace: Annotated[
        float,
        typer.Option(
            metavar="SECONDS", help="What runs may take so long after SIGTERM; new gets 503."
        ),
    ] = 30.0,
    otlp: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            help="Send spans of requests to this OpenTelemetry collector: times and numbers, no "
            "texts and no keys.",
        ),
    ] = None,
    studio: Annotated[  # noqa: FBT002 - a command line flag
        bool, typer.Option("--studio/--no-studio", help="The web page at /.")
    ] = True,
    folder: Annotated[
        Path,
        typer.Option(metavar="FOLDER", help="Where the page finds runs, and keeps what it makes."),
    ] = Path("runs"),
    policy: Policy = "default",
    json_: Json = False,  # noqa: FBT002 - a command line flag
) -> None:
    """Serve models: OpenAI's API at /v1, what it can do at /docs, a web page, the studio, at /.

    \b
    autogpt serve
    autogpt serve smollm2-135m-instruct --quantize int8
    autogpt serve runs/mine labels=runs/sentiment --port 8001
    autogpt serve base=runs/mine --adapter polite=runs/polite
    autogpt serve runs/mine --host 0.0.0.0 --api-key-file keys --allow-host api.example.org
    """  # noqa: D301 - \b keeps typer from joining the lines
    _need_extra()
    from autogpt.server.app import create_app
    from autogpt.server.config import LimitsConfig, ServerConfig
    from autogpt.server.engine_client import EngineClient
    from autogpt.server.keys import Keys, read_keys
    from autogpt.server.running import serve as run
    from autogpt.studio.api import Studio

    if quantize not in (None, "int8", "int4"):
        raise UsageError(f"--quantize is {quantize!r}, expected int8 or int4.")
    if dtype not in ("auto", "float32", "bfloat16"):
        raise UsageError(f"--dtype is {dtype!r}, expected auto, float32 or bfloat16.")
    config = ServerConfig(
        host=host,
        port=port,
        keys=Keys() if api_key_file is None else read_keys(api_key_file),
        hosts=tuple(allow_host or ()),
        origins=tuple(allow_origin or ()),
        limits=LimitsConfig(
            running=max_running,
            running_per_key=max_running_per_key,
            waiting=max_waiting,
            most_tokens=max_tokens,
            texts=min(16, max_running),
            requests_per_minute=rate,
        ),
        grace_s=grace,
    )
    options: dict[str, object] = {"dtype": dtype, "policy": say_policy(policy)}
    if quantize is not None:
        options["quantize"] = quantize
    if cache is not None:
        options["cache_bytes"] = parse_bytes(cache)
    specs = _specs(models or [], adapter or [], options, may_be_none=studio)
    for spec in specs:
        require(spec.reference)
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(message)s")
    engine = EngineClient(specs, threads=threads)
    more = [_spec(text, options) for text in available or ()]

    with (
        nullcontext() if otlp is None else closing(_tracing(otlp)) as tracing,
        Studio(folder) if studio else nullcontext() as page,
    ):
        app = create_app(
            config,
            engine,
            available=more,
            rails=_rails(policy),
            page=None if page is None else page.page,
            more=[] if page is None else [page.routes],
            tracing=tracing,
        )
        names = [spec.name for spec in specs]
        told = partial(_tell, names, has_page=studio, as_json=json_)
        code = run(app, engine, config, started=told)
    if code:
        raise typer.Exit(code)


def _tracing(address: str) -> Tracing:
    """Return what sends spans to a collector."""
    from autogpt.core.otlp import span_exporter

    exporter = span_exporter(address)
    from autogpt.server.tracing import Tracing

    return Tracing(exporter)


def _rails(policy: str) -> Rails | None:
    """Return what is allowed in and out; None where nothing is checked."""
    from autogpt.safety.policy import load_policy
    from autogpt.safety.rails import Rails as SafetyRails
    from autogpt.server.rails import PolicyRails

    chosen = load_policy(policy)
    return PolicyRails(SafetyRails(chosen)) if chosen.enabled else None


def _tell(names: list[str], address: str, *, has_page: bool, as_json: bool) -> None:
    """Say where the server answers."""
    if as_json:
        page = f"{address}/" if has_page else None
        print(json.dumps({"address": address, "models": names, "studio": page}), flush=True)
        return
    if names:
        print(f"{address}/v1 answers with {', '.join(names)}; see {address}/docs", flush=True)
    if has_page:
        print(f"{address}/ is the studio", flush=True)


def _specs(
    models: list[str], adapters: list[str], options: dict[str, object], *, may_be_none: bool
) -> list[ModelSpec]:
    """Return the models to load at once."""
    if not models and (adapters or not may_be_none):
        what = "for --adapter" if adapters else "to serve"
        raise UsageError(f"There is no model {what}.", hint="Name one, as in runs/mine.")
    specs = [_spec(model, options) for model in models]
    specs += [_adapted(text, specs[0]) for text in adapters]
    _check_names(specs)
    return specs


def _need_extra() -> None:
    """Say what to install where the server's packages are missing.

    Raises:
        MissingExtraError: If one is.
    """
    from importlib.util import find_spec

    for package in ("fastapi", "uvicorn", "prometheus_client", "python_multipart"):
        if find_spec(package) is None:
            raise MissingExtraError(package, extra="serve", purpose="autogpt serve")


def _spec(text: str, options: dict[str, object]) -> ModelSpec:
    """Return the model that NAME=MODEL or MODEL names."""
    from autogpt.server.engine_client import ModelSpec

    name, is_named, reference = text.partition("=")
    if not is_named or "/" in name:
        reference = text
        name = _short_name(text)
    if not name or not reference:
        raise UsageError(f"{text!r} is not NAME=MODEL.", hint="Write it like base=runs/mine.")
    return ModelSpec(name=name, reference=reference, options=options)


def _short_name(reference: str) -> str:
    path = Path(reference.removeprefix("hf:").rstrip("/"))
    if path.name == "model" and path.parent.name:
        return path.parent.name
    return path.stem if path.suffix == ".gguf" else path.name


def _adapted(text: str, base: ModelSpec) -> ModelSpec:
    from autogpt.server.engine_client import ModelSpec

    name, _, folder = text.partition("=")
    if not name or not folder:
        raise UsageError(
            f"--adapter is {text!r}, expected NAME=FOLDER.", hint="As in polite=runs/polite."
        )
    options = {**base.options, "adapters": [folder]}
    return ModelSpec(name=name, reference=base.reference, options=options, root=base.name)


def _check_names(specs: list[ModelSpec]) -> None:
    names = [spec.name for spec in specs]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise ConfigError(
            f"Two models would be called {twice!r}.", hint="Name one of them: NAME=MODEL."
        )
