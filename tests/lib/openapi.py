# SPDX-License-Identifier: MIT
"""docs/openapi.yaml as tests use it: its operations, its words, and whether an answer is one that it allows.

The file allows more fields than it names, as a client must; here each object has those that are named and no others, so that
what the agent says and nobody wrote down is found.
"""
import json
import pathlib
import re

import jsonschema
import yaml

TOP = pathlib.Path(__file__).resolve().parents[2]
METHODS = ("get", "post")
DRAFT = jsonschema.Draft202012Validator


def close(node):
    """Objects with named properties have no others."""
    if isinstance(node, dict):
        kind = node.get("type")
        if "properties" in node and (kind == "object" or isinstance(kind, list) and "object" in kind):
            node.setdefault("additionalProperties", False)
        for value in node.values():
            close(value)
    elif isinstance(node, list):
        for value in node:
            close(value)


class OpenApi:
    def __init__(self):
        with open(TOP / "docs/openapi.yaml", encoding="utf-8") as file:
            self.document = yaml.safe_load(file)
        self.strict = json.loads(json.dumps(self.document))  # a copy, in which no two places are one
        close(self.strict)
        for schema in self.document["components"]["schemas"].values():
            DRAFT.check_schema(schema)

    def operations(self):
        """(path, method in upper case, operation)"""
        for path, item in self.strict["paths"].items():
            for method in METHODS:
                if method in item:
                    yield path, method.upper(), item[method]

    def parameters(self, path, operation):
        listed = self.strict["paths"][path].get("parameters", []) + operation.get("parameters", [])
        return [self.follow(parameter) for parameter in listed]

    def follow(self, node):
        while "$ref" in node:
            target = self.strict
            for word in node["$ref"].removeprefix("#/").split("/"):
                target = target[word]
            node = target
        return node

    def enum(self, schema):
        return set(self.strict["components"]["schemas"][schema]["enum"])

    def complain(self, operation, status, kind, body):
        """What is wrong with an answer, or None. `kind` None: it has no content; `body` None: none to look at."""
        responses = operation["responses"]
        response = self.follow(responses[str(status)] if str(status) in responses else responses["default"])
        if str(status) not in responses and status < 400:
            return f"status {status} is not declared"
        contents = {name.lower(): content for name, content in response.get("content", {}).items()} or {None: {}}
        if kind not in contents:
            return f"status {status}: content type {kind!r} is none of {list(contents)}"
        if body is None or "schema" not in contents[kind]:
            return None
        return self.complain_of_body(contents[kind]["schema"], kind, body)

    def complain_of_body(self, schema, kind, body):
        try:
            text = body.decode()
            if kind == "application/x-ndjson":
                values = [json.loads(line) for line in text.splitlines()]
            else:
                values = [json.loads(text) if "json" in kind else text]
        except ValueError as error:
            return f"{kind}: {error}: {body[:200]!r}"
        for value in values:
            wrong = self.complain_of_value(schema, value)
            if wrong:
                return wrong
        return self.complain_of_events(text) if kind == "text/event-stream" else None

    def complain_of_value(self, schema, value):
        for error in DRAFT({**schema, "components": self.strict["components"]}).iter_errors(value):
            best = jsonschema.exceptions.best_match([error])
            return f"{best.json_path}: {best.message[:300]}"
        return None

    def complain_of_events(self, text):
        schemas = self.strict["components"]["schemas"]["EventData"]["properties"]
        for kind, data in re.findall(r"^event: (.*)\ndata: (.*)\n\n", text, re.M):
            try:
                wrong = self.complain_of_value(schemas[kind], json.loads(data))
            except (KeyError, ValueError) as error:
                wrong = repr(error)
            if wrong:
                return f"event {kind}: {wrong}: {data[:300]}"
        return None


# ---- the sources ---------------------------------------------------------------------------------

def sources(*patterns):
    return "\n".join(path.read_text(encoding="utf-8") for pattern in patterns for path in sorted(TOP.glob(pattern)))


def routes_of_sources():
    """{(path, method): query?} of routes[] in agent/api.c, paths as the YAML has them."""
    macros = dict(re.findall(r'^#define (\w+) +"([^"]*)"', sources("agent/*.h"), re.M))
    text = sources("agent/api.c").split("} routes[] = {")[1].split("};")[0]
    found = {}
    for path, method, query in re.findall(r'\{([^{}]*?), "(\w+)", "[^"]*", \w+, (\w+)\}', text):
        words = re.findall(r'"([^"]*)"|(\w+)', path)
        full = "".join(literal or macros[name] for literal, name in words)
        found[full + ("{name}" if full.endswith("/") else ""), method] = query == "QUERY"
    return found


def codes_of_sources():
    """Every code that the API or the Docker port gives to a problem of its own."""
    text = sources("agent/*.c", "agent/common/*.c")
    codes = set(re.findall(r'(?:http_response_problem|farewell_problem)\([^;"]*?"([a-z_-]+)"', text))
    return codes | set(re.findall(r'\{\d{3}, "([a-z_]+)",', text))


def words_of_disk():
    """Every word that keel-disk ends a job with."""
    text = sources("init/disk/*.c")
    calls = re.findall(r"(?:job_fail|GIVE_UP)\((?:[^;]|\n)*?;", text)
    words = set()
    for call in calls:
        head = call.split('"%s')[0].split("%")[0]
        words |= set(re.findall(r'"([a-z-]+)"', head.split(",", 2)[1] if head.count(",") else ""))
    return words | set(re.findall(r'\{"([a-z-]+)", \d{3}\}', sources("agent/disk_api.c")))


def of_text():
    """(paths, codes) that docs/api.md has in its tables."""
    text = (TOP / "docs/api.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (?:`(?:GET|POST) )(/[^`?]*)", text, re.M)
    codes = set()
    for row in re.findall(r"^\| \d{3} \|([^|]*)\|", text, re.M):
        codes |= set(re.findall(r"`([a-z_-]+)`", row))
    return set(rows), codes
