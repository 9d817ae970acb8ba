"""Writes docs/architecture.md: pictures of the stacks, read from their templates. `python docs/diagrams.py`."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from cfnlint.decode import cfn_yaml  # pyright: ignore[reportMissingTypeStubs]

PAGE = Path(__file__).with_name("architecture.md")
TEMPLATES = PAGE.parent.parent / "infrastructure"
STACKS = ("endpoints", "identity", "registration", "server", "hardening")
"""In the order of their deployment."""

_PASSED = frozenset({"AWS::ApiGatewayV2::Integration", "AWS::IAM::Role"})
"""Not drawn; whoever uses one is drawn as using what it names."""
_LEFT_OUT = frozenset(
    {
        "AWS::ApiGateway::Account",
        "AWS::ApiGateway::Deployment",
        "AWS::ApiGateway::GatewayResponse",
        "AWS::ApiGateway::Model",
        "AWS::ApiGateway::RequestValidator",
        "AWS::ApiGateway::Resource",
        "AWS::ApiGateway::UsagePlanKey",
        "AWS::IAM::Policy",
        "AWS::Lambda::Permission",
        "AWS::Logs::LogGroup",
        "AWS::SNS::TopicPolicy",
    }
)
_OWNERS = frozenset({"RestApiId", "ApiId", "UserPoolId"})
"""Properties that name what a resource is a part of: drawn from the whole to the part."""
_ADDRESSES = frozenset({"AWS::ApiGateway::RestApi", "AWS::ApiGatewayV2::Api"})
"""What functions name for its address only; drawn, it would close circles."""
_FOLDED = 4
"""So many resources of one type that use the same are one box."""
_HEAD = """\
# Architecture

Made from the templates in `infrastructure/` by `make diagrams`; a test compares. An arrow goes to what is used, or from
a whole to its part. A dashed box is only there if a parameter asks for it; a round one is another stack. Roles and
integrations are drawn through; log groups, permissions, policies and the like are left out, and counted below each
picture.

## How the stacks hang together

Deployed from left to right, deleted from right to left. An arrow carries outputs of one stack to parameters of the same
name in another. Settings that are made of several outputs, such as the list of clients, are not drawn.
"""


@dataclass(slots=True)
class Resource:
    """A resource of a template: what it uses, and what it is a part of."""

    type: str
    conditional: bool
    uses: list[str] = field(default_factory=list[str])
    part_of: list[str] = field(default_factory=list[str])


class Stack:
    """A template as the pictures see it."""

    def __init__(self, name: str) -> None:
        self.name = name
        loaded = cfn_yaml.load(str(TEMPLATES / f"{name}.yaml"))  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
        self.template = cast("dict[str, Any]", loaded)
        self.parameters: set[str] = set(self.template.get("Parameters", {}))
        self.outputs: set[str] = set(self.template.get("Outputs", {}))
        resources = cast("dict[str, dict[str, Any]]", self.template["Resources"])
        self.resources = {key: _resource(item) for key, item in resources.items()}

    def drawn(self) -> dict[str, Resource]:
        """The resources that have a box."""
        return {key: item for key, item in self.resources.items() if item.type not in _PASSED | _LEFT_OUT}

    def used_by(self, key: str) -> list[str]:
        """What a resource uses, those that are drawn through put aside: resources with a box, and parameters."""
        found: dict[str, None] = {}
        todo, seen = list(self.resources[key].uses), {key}
        while todo:
            name = todo.pop(0)
            if name in seen:
                continue
            seen.add(name)
            resource = self.resources.get(name)
            if resource and resource.type in _PASSED:
                todo += resource.uses
            elif resource is None or resource.type not in _LEFT_OUT | _ADDRESSES:
                found[name] = None
        return list(found)


def page() -> str:
    """The whole page."""
    stacks = [Stack(name) for name in STACKS]
    # An output that repeats what an earlier stack gave is that one's.
    origins = {name: stack.name for stack in reversed(stacks) for name in stack.outputs}
    parts = [_HEAD, _fence(_overview(stacks, origins))]
    for stack in stacks:
        sources = {name: origin for name, origin in origins.items() if origin != stack.name}
        counted = Counter(item.type for item in stack.resources.values() if item.type in _PASSED | _LEFT_OUT)
        left = ", ".join(f"{number} {kind.removeprefix('AWS::')}" for kind, number in sorted(counted.items()))
        words = re.sub(r"\s+", " ", stack.template["Description"]).strip()
        parts += [f"\n## {stack.name}\n\n{words}\n", _fence(_picture(stack, sources))]
        parts.append(f"\nNot drawn: {left}.\n")
    return "".join(parts)


def _overview(stacks: list[Stack], origins: Mapping[str, str]) -> Iterator[str]:
    yield "flowchart LR"
    for stack in stacks:
        yield f"  {stack.name}([{stack.name}])"
    for index, stack in enumerate(stacks):
        for later in stacks[index + 1 :]:
            if shared := sorted(name for name in later.parameters if origins.get(name) == stack.name):
                yield f'  {stack.name} -->|"{"<br/>".join(shared)}"| {later.name}'


def _picture(stack: Stack, sources: Mapping[str, str]) -> Iterator[str]:
    boxes = _boxes(stack)
    yield "flowchart LR"
    services: dict[str, list[str]] = {}
    for key, item in stack.drawn().items():
        services.setdefault(item.type.split("::")[1], []).append(key)
    for service, keys in services.items():
        yield f'  subgraph {service}Group["{service}"]'
        for box in dict.fromkeys(boxes[key] for key in keys):
            members = [key for key in keys if boxes[key] == box]
            yield f'    {box}["{_label(stack, members)}"]'
        yield "  end"
    edges = dict.fromkeys(_edges(stack, boxes, sources))
    for other in sorted({end for edge in edges for end in edge if end in STACKS}):
        yield f"  {other}([{other}])"
    for source, target in edges:
        yield f"  {source} --> {target}"
    yield "  classDef optional stroke-dasharray: 5 4"
    if dashed := [box for box in dict.fromkeys(boxes.values()) if stack.resources[box].conditional]:
        yield f"  class {','.join(dashed)} optional"


def _label(stack: Stack, members: list[str]) -> str:
    kind = stack.resources[members[0]].type.rpartition("::")[2]
    name = "<br/>".join(members)
    return f"{name}<br/><i>{kind}</i>" if len(members) == 1 else f"<i>{len(members)} × {kind}</i><br/>{name}"


def _boxes(stack: Stack) -> dict[str, str]:
    """The box of each resource: its own, or that of the first of many that are alike."""
    alike: dict[tuple[object, ...], list[str]] = {}
    for key, item in stack.drawn().items():
        uses = frozenset(name for name in stack.used_by(key) if name in stack.resources)
        alike.setdefault((item.type, item.conditional, uses, tuple(item.part_of)), []).append(key)
    return {key: keys[0] if len(keys) >= _FOLDED else key for keys in alike.values() for key in keys}


def _edges(stack: Stack, boxes: Mapping[str, str], sources: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    for key in stack.drawn():
        for owner in stack.resources[key].part_of:
            if owner in boxes:
                yield boxes[owner], boxes[key]
            elif owner in stack.parameters and owner in sources:
                yield sources[owner], boxes[key]
        for name in stack.used_by(key):
            if name in boxes and boxes[name] != boxes[key]:
                yield boxes[key], boxes[name]
            elif name in stack.parameters and name in sources:
                yield boxes[key], sources[name]


def _resource(item: Mapping[str, Any]) -> Resource:
    resource = Resource(item["Type"], "Condition" in item)
    for name, inside in _references(item.get("Properties", {}), ""):
        (resource.part_of if inside in _OWNERS else resource.uses).append(name)
    return resource


def _references(value: object, inside: str) -> Iterator[tuple[str, str]]:
    """The names that a value refers to, each with the property that it stands in."""
    if isinstance(value, Mapping):
        for key, item in cast("Mapping[str, object]", value).items():
            if key == "Ref":
                yield str(item), inside
            elif key == "Fn::GetAtt":
                yield str(item if isinstance(item, str) else cast("list[str]", item)[0]).partition(".")[0], inside
            elif key == "Fn::Sub":
                text = item if isinstance(item, str) else cast("list[str]", item)[0]
                yield from ((name, inside) for name in re.findall(r"\$\{(\w+)[}.]", text))
            else:
                yield from _references(item, inside if key.startswith("Fn::") else key)
    elif isinstance(value, list):
        for item in cast("list[object]", value):
            yield from _references(item, inside)


def _fence(lines: Iterator[str]) -> str:
    return "\n```mermaid\n" + "\n".join(lines) + "\n```\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
