"""The OpenAPI document as a judge of replies: `Document.check` says whether one is as described."""

import functools
import json
import re
import subprocess

import jsonschema

from daemon import MINTD, clean_environment

FORMATS = jsonschema.FormatChecker(["uuid"])  # times have a pattern


class Document:
    def __init__(self, text):
        self.json = json.loads(text)
        self.patterns = [(re.compile(re.sub(r"\\{\w+\\}", "[^/]+", re.escape(path))), path)
                         for path in self.json["paths"]]

    @staticmethod
    @functools.cache
    def of_mintd():
        """As the program has it that is tested."""
        return Document(subprocess.run([MINTD, "openapi"], env=clean_environment(), check=True,
                                       capture_output=True, text=True, timeout=60).stdout)

    @property
    def operations(self):
        """→ path, method and operation of each."""
        return [(path, method, operation) for path, item in self.json["paths"].items()
                for method, operation in item.items()]

    def find(self, method, target):
        """The operation that a request is for, or None."""
        path = target.split("?")[0].replace("/v1/organizations", "/v1/orgs", 1)
        for pattern, template in self.patterns:
            if pattern.fullmatch(path):
                item = self.json["paths"][template]
                any_method = item.get("get", {}).get("operationId") == "verify"
                wanted = "get" if method == "HEAD" or any_method else method.lower()
                return item.get(wanted)
        return None

    def resolve(self, value):
        """What a $ref stands for."""
        while "$ref" in value:
            target = self.json
            for key in value["$ref"].removeprefix("#/").split("/"):
                target = target[key]
            value = target
        return value

    @functools.cache
    def validator(self, name):
        schema = {"$ref": f"#/components/schemas/{name}", "components": self.json["components"]}
        return jsonschema.Draft202012Validator(schema, format_checker=FORMATS)

    def errors(self, schema, value):
        """Why the value is not as the schema ({"$ref": …}) says."""
        validator = self.validator(schema["$ref"].rsplit("/", 1)[1])
        return [f"{error.json_path}: {error.message}" for error in validator.iter_errors(value)]

    def response(self, operation, status):
        responses = operation["responses"]
        if str(status) not in responses:
            assert status >= 400, f"{operation['operationId']} is not told to answer {status}"
        return self.resolve(responses.get(str(status), responses["default"]))

    def check(self, method, target, reply):
        operation = self.find(method, target)
        if operation is None or method == "OPTIONS":
            return
        response = self.response(operation, reply.status)
        for header in response.get("headers", {}):
            assert header in reply.headers, (operation["operationId"], header, reply)
        if method == "HEAD" or "content" not in response:
            assert reply.body == b"", reply
            return
        assert reply.headers["Content-Type"] == "application/json", reply
        found = self.errors(response["content"]["application/json"]["schema"], reply.json)
        assert not found, (operation["operationId"], found, reply)
