"""`/docs`: the OpenAPI description as a page, made here from local files: no script, no third-party host."""

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Json = Mapping[str, Any]

COMMON = 12
"""An answer that so many operations give alike is shown once, and named by its number elsewhere."""

_ACCESS = {
    "session": "登录 · session",
    "monitor": "监控令牌 · monitor token",
    "sendkey": "SendKey · bearer token",
}


@dataclass(frozen=True, slots=True)
class Field:
    """One parameter, or one field of a body. `kind` is its type and limits, in words."""

    name: str
    where: str
    kind: str
    text: str


@dataclass(frozen=True, slots=True)
class Example:
    what: str
    value: str


@dataclass(frozen=True, slots=True)
class Answer:
    status: str
    text: str
    headers: str
    examples: tuple[Example, ...]


@dataclass(frozen=True, slots=True)
class Card:
    """One path and summary: the methods that take and answer the same."""

    anchor: str
    methods: tuple[str, ...]
    path: str
    summary: str
    note: str
    access: str
    fields: tuple[Field, ...]
    bodies: str
    example: str
    answers: tuple[Answer, ...]
    also: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Section:
    tag: str
    text: str
    cards: tuple[Card, ...]


@dataclass(frozen=True, slots=True)
class Page:
    """All that the template shows."""

    version: str
    server: str
    paragraphs: tuple[str, ...]
    common: tuple[Answer, ...]
    sections: tuple[Section, ...]


def page(document: Json) -> Page:
    """The page of an OpenAPI document."""
    operations = [
        (path, method, operation) for path, item in document["paths"].items() for method, operation in item.items()
    ]
    counted = Counter(_answer(s, a) for _, _, o in operations for s, a in o["responses"].items())
    common = tuple(sorted((a for a, n in counted.items() if n >= COMMON), key=lambda a: a.status))
    schemas = document["components"]["schemas"]
    sections = []
    for tag in document["tags"]:
        own = [(path, method, o) for path, method, o in operations if tag["name"] in o["tags"]]
        cards = tuple(_card(path, group, schemas, common) for path, group in _grouped(own))
        sections.append(Section(tag["name"], tag["description"], cards))
    info = document["info"]
    lines = re.split(r"\n(?=- )|\n\n", info["description"].strip())
    paragraphs = tuple(re.sub(r"\s+", " ", line.removeprefix("- ")) for line in lines)
    return Page(info["version"], document["servers"][0]["url"], paragraphs, common, tuple(sections))


def _grouped(operations: Iterable[tuple[str, str, Json]]) -> list[tuple[str, dict[str, Json]]]:
    """Operations of one path together where they say the same."""
    found: list[tuple[str, dict[str, Json]]] = []
    for path, method, operation in operations:
        last = found[-1] if found else None
        same = last is not None and last[0] == path and next(iter(last[1].values()))["summary"] == operation["summary"]
        if last is not None and same:
            last[1][method] = operation
        else:
            found.append((path, {method: operation}))
    return found


def _card(path: str, group: Mapping[str, Json], schemas: Json, common: Sequence[Answer]) -> Card:
    first, last = next(iter(group.values())), list(group.values())[-1]
    body = last.get("requestBody", {}).get("content", {})
    answers = [_answer(status, answer) for status, answer in last["responses"].items()]
    example = next((media["example"] for media in body.values() if "example" in media), None)
    security = [name for way in first["security"] for name in way]
    return Card(
        anchor=first["operationId"],
        methods=tuple(method.upper() for method in group),
        path=path,
        summary=first["summary"],
        note=first.get("description", ""),
        access=" / ".join(_ACCESS[name] for name in security) or "公开 · public",
        fields=tuple(_fields(first, body, schemas)),
        bodies=", ".join(body),
        example="" if example is None else _shown(example),
        answers=tuple(answer for answer in answers if answer not in common),
        also=tuple(answer.status for answer in answers if answer in common),
    )


def _fields(operation: Json, body: Json, schemas: Json) -> Iterable[Field]:
    in_query = any(parameter["in"] == "query" for parameter in operation["parameters"])
    where = {"path": "路径 path", "query": "查询 query", "header": "请求头 header"}
    if in_query and body:
        where["query"] = "查询或正文 query, body"
    for parameter in operation["parameters"]:
        kind = _kind(parameter["schema"], schemas)
        yield Field(parameter["name"], where[parameter["in"]], kind, parameter.get("description", ""))
    if body and not in_query:
        schema = _resolved(body["application/json"]["schema"], schemas)
        needed = schema.get("required", ())
        for name, field in schema["properties"].items():
            text = field.get("description", "")
            yield Field(name, "正文 body" + (" *" if name in needed else ""), _kind(field, schemas), text)


def _kind(schema: Json, schemas: Json) -> str:
    """`integer 1…200, default 50`."""
    said = {**_resolved(schema, schemas), **{k: v for k, v in schema.items() if k not in ("$ref", "description")}}
    parts = [part for part in said.get("anyOf", ()) if part != {"type": "null"}]
    if parts:
        words = " | ".join(_kind(part, schemas) for part in parts)
    elif "enum" in said:
        words = " | ".join(json.dumps(value) for value in said["enum"] if value is not None)
    else:
        words = said.get("type", "")
    low, high = said.get("minimum", said.get("minLength")), said.get("maximum", said.get("maxLength"))
    if low is not None and high is not None:
        words += f" {low:,}…{high:,}"
    elif high is not None:
        words += f" ≤ {high:,}"
    elif low is not None:
        words += f" ≥ {low:,}"
    if "maxLength" in said:
        words += " 字符"
    default = said.get("default")
    if isinstance(default, float) and default.is_integer():
        default = int(default)
    return words if default in (None, "") or default is False else f"{words}, default {json.dumps(default)}"


def _resolved(schema: Json, schemas: Json) -> Json:
    found: Json = schemas[schema["$ref"].rpartition("/")[2]] if "$ref" in schema else schema
    return found


def _answer(status: str, answer: Json) -> Answer:
    media: Json = next(iter(answer.get("content", {}).values()), {})
    examples = tuple(Example(e["summary"], _shown(e["value"])) for e in media.get("examples", {}).values())
    return Answer(status, answer["description"], ", ".join(answer.get("headers", ())), examples)


def _shown(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, indent=2)
