"""The API description, made once for an application, and a page of it that loads nothing from anywhere."""

import html
from functools import cache
from importlib.metadata import version
from typing import Any

import msgspec
from litestar import Litestar
from litestar.handlers import HTTPRouteHandler
from litestar.routes import HTTPRoute

from app.edge import Endpoint, endpoint_of
from app.openapi import describe
from app.problems import marked

Json = dict[str, Any]


def endpoints(app: Litestar) -> list[Endpoint]:
    """What each route of the application declares."""
    found = []
    for route in app.routes:
        if isinstance(route, HTTPRoute):
            for handler in route.route_handlers:
                spec = endpoint_of(handler) if isinstance(handler, HTTPRouteHandler) else None
                if spec is not None:
                    found.append(spec)
    return found


@cache
def description(app: Litestar) -> bytes:
    """The OpenAPI document as JSON."""
    return msgspec.json.encode(_document(app))


@cache
def _document(app: Litestar) -> Json:
    return describe(endpoints(app), app.state.services.config.public_url, version("sensorium"))


@cache
def page(app: Litestar) -> str:
    """The document as HTML."""
    document = _document(app)
    groups: dict[str, list[str]] = {}
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            groups.setdefault(operation["tags"][0], []).append(_operation(method, path, operation))
    body = "".join(f"<h2 id={name}>{_title(name)}</h2>{''.join(parts)}" for name, parts in sorted(groups.items()))
    links = " · ".join(f"<a href=#{name}>{_title(name)}</a>" for name in sorted(groups))
    about = marked(document["info"]["description"]).replace("\n\n", "<p>")
    return (
        "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content='width=device-width'>"
        f"<title>Sensorium API</title><style>{_STYLE}</style><h1>Sensorium API</h1><p>{about}"
        "<p><a href=/openapi.json>openapi.json</a> · <a href=/problems>problem types</a>"
        f"<nav>{links}</nav>{body}</html>"
    )


def _operation(method: str, path: str, operation: Json) -> str:
    parts = [f"<p>{marked(operation['description'])}"]
    if operation["parameters"]:
        rows = "".join(
            f"<tr><td><code>{html.escape(each['name'])}</code><td>{each['in']}"
            f"{', required' if each['required'] else ''}<td>{marked(each['description'])}"
            for each in operation["parameters"]
        )
        parts.append(f"<table>{rows}</table>")
    if "requestBody" in operation:
        parts.append("<h4>Request</h4>" + _examples(operation["requestBody"]["content"]))
    for status, response in operation["responses"].items():
        parts.append(f"<h4>{status}</h4><p>{marked(response['description'])}")
        if status < "300":
            parts.append(_examples(response.get("content", {})))
    return (
        f"<details id={operation['operationId']}><summary><b>{method.upper()}</b> <code>{html.escape(path)}</code> "
        f"{marked(operation['summary'])}</summary>{''.join(parts)}</details>"
    )


def _examples(content: Json) -> str:
    shown = []
    for media_type, each in content.items():
        if "example" in each:
            pretty = msgspec.json.format(msgspec.json.encode(each["example"]), indent=2).decode()
            shown.append(f"<p class=quiet>{html.escape(media_type)}<pre>{html.escape(pretty)}</pre>")
        else:
            shown.append(f"<p class=quiet>{html.escape(media_type)}")
    return "".join(shown)


def _title(name: str) -> str:
    return html.escape(name.replace("_", " ").capitalize())


_STYLE = """
body{font:1rem/1.5 system-ui,sans-serif;max-width:56rem;margin:2rem auto;padding:0 1rem;color-scheme:light dark}
details{border:1px solid #8886;border-radius:.4rem;margin:.4rem 0;padding:.4rem .8rem}summary{cursor:pointer}
pre{overflow:auto;background:#8881;padding:.6rem;border-radius:.3rem}td{padding:.1rem 1rem .1rem 0;vertical-align:top}
.quiet{opacity:.7}h4{margin:.8rem 0 0}
"""
