"""What of AWS a function's code calls, read from the code: mypy tells the type of every expression, so each call of a
botocore client in what `handler` can reach is an IAM action, on the table or queue that bootstrap gave its class, and
of the rows or the secrets that its arguments name.

Reached is every function that reached code mentions. A method of a protocol is that of each class that is made in
reached code and has it. So too much may count as called, hardly too little; where mypy does not know a type (`Any`),
names of modules' functions and classes count, and methods do not.
"""

from __future__ import annotations

import ast
import re
import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from mypy import build, nodes, types
from mypy.config_parser import parse_config_file
from mypy.modulefinder import BuildSource
from mypy.options import Options
from mypy.subtypes import is_subtype
from mypy.traverser import NameAndMemberCollector
from mypy.typevars import fill_typevars

ROOT = Path(__file__).resolve().parents[1]
OURS = ("ml_connector.", "functions.")
AWS = "ml_connector.aws."
ANY = "*"
SECRETS = "SECRETS_PREFIX"

PLAIN = {
    f"{AWS}connections_table.ConnectionsTable": {
        "get": "dynamodb:GetItem",
        "query": "dynamodb:Query",
        "put": "dynamodb:PutItem",
        "delete": "dynamodb:DeleteItem",
        "update": "dynamodb:UpdateItem",
    },
    f"{AWS}secrets.SecretStore": {
        "get": "secretsmanager:GetSecretValue",
        "newest": "secretsmanager:GetSecretValue",
        "text": "secretsmanager:GetSecretValue",
        "put": "secretsmanager:PutSecretValue",
    },
}
"""Methods that do one call on what their caller names: counted there, with that name."""
WRITES = {"Put": "dynamodb:PutItem", "Delete": "dynamodb:DeleteItem", "Update": "dynamodb:UpdateItem"}
"""Actions of what a transaction is made of."""
BATCHES = {
    f"sqs:{single}Batch": f"sqs:{single}" for single in ("SendMessage", "DeleteMessage", "ChangeMessageVisibility")
}
"""Calls that have no action of their own."""

Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True, order=True)
class Call:
    """`on`: the variable with the table's or queue's name (`A|B`: of a class made with either), SECRETS, or `*` if it
    is not to be seen. `of`: which rows by their partition key, or which secrets by their purpose, as IAM would say
    it (`cursor#*`)."""

    action: str
    on: str
    of: str = ANY


@cache
def calls(function: str) -> frozenset[Call]:
    """All that `functions/<function>/app.py` may call."""
    return frozenset(_Reach(_code(), f"functions.{function}.app").calls)


@dataclass
class _Module:
    tree: ast.Module
    names: nodes.SymbolTable
    at: Mapping[tuple[int, int, int, int], nodes.NameExpr | nodes.MemberExpr]
    """mypy's own of a name, or of what a thing is asked for, by its place: line, column and where it ends."""
    known: Mapping[nodes.Expression, types.Type]

    def node(self, expression: ast.expr) -> nodes.SymbolNode | None:
        found = self.at.get(_place(expression))
        return found.node if found else None

    def asked(self, member: ast.Attribute) -> list[types.Type]:
        """Types of what stands before the dot."""
        found = self.at.get(_place(member))
        return _parts(self.known.get(found.expr)) if isinstance(found, nodes.MemberExpr) else []


@dataclass
class _Code:
    modules: dict[str, _Module]
    functions: dict[str, ast.AST]
    """Functions and classes by their full name."""
    made_with: dict[str, set[str]]
    """Variables with names of tables and queues, by the class below aws that bootstrap makes with them."""


@cache
def _code() -> _Code:
    options = Options()
    parse_config_file(options, lambda: None, str(ROOT / "pyproject.toml"), sys.stdout, sys.stderr)
    options.packages = []
    options.mypy_path = [str(ROOT / "layers/shared"), str(ROOT)]
    options.incremental, options.cache_dir = False, "/dev/null"
    options.export_types = options.preserve_asts = True
    files = {f"functions.{path.parent.name}.app": path for path in ROOT.glob("functions/*/app.py")}
    # Destinations are imported by name.
    folder = ROOT / "layers/shared"
    for path in (folder / "ml_connector/destinations").rglob("*.py"):
        files[".".join(path.relative_to(folder).with_suffix("").parts).removesuffix(".__init__")] = path
    sources = [BuildSource(str(path), name) for name, path in files.items()]
    built = build.build(sources, options)
    assert not built.errors, built.errors
    code = _Code({}, {}, {})
    for name, state in built.graph.items():
        if f"{name}.".startswith(OURS) and state.tree and state.path and state.path.endswith(".py"):
            tree = ast.parse(Path(state.path).read_text("utf-8"))
            collector = NameAndMemberCollector()
            state.tree.accept(collector)
            mentions = (*collector.name_exprs, *collector.member_exprs)
            at = {(each.line, each.column, each.end_line or 0, each.end_column or 0): each for each in mentions}
            code.modules[name] = _Module(tree, state.tree.names, at, built.types)
            code.functions |= dict(_defined(tree, name))
    code.made_with = _made_with(code.modules["ml_connector.bootstrap"])
    return code


def _defined(tree: ast.AST, name: str) -> Iterator[tuple[str, ast.AST]]:
    for each in ast.iter_child_nodes(tree):
        if isinstance(each, Function | ast.ClassDef):
            yield f"{name}.{each.name}", each
        if isinstance(each, ast.ClassDef):
            yield from _defined(each, f"{name}.{each.name}")


def _made_with(bootstrap: _Module) -> dict[str, set[str]]:
    found: dict[str, set[str]] = defaultdict(set)
    for function in ast.walk(bootstrap.tree):
        if not isinstance(function, Function):
            continue
        local = {
            target.id: _variables(each.value)
            for each in ast.walk(function)
            if isinstance(each, ast.Assign) and isinstance(target := each.targets[0], ast.Name)
        }
        for each in ast.walk(function):
            if isinstance(each, ast.Call) and isinstance(made := bootstrap.node(each.func), nodes.TypeInfo):
                for given in each.args:
                    known = local.get(given.id, set()) if isinstance(given, ast.Name) else _variables(given)
                    found[made.fullname] |= {name for name in known if name.endswith(("_TABLE", "_URL"))}
    return found


def _variables(expression: ast.expr) -> set[str]:
    """Of `os.environ["NAME"]` and `os.environ.get("NAME")`, but not of what is called with these."""
    text = ast.unparse(expression)
    return set(re.findall(r"^os\.environ(?:\[|\.get\()'(\w+)'", text))


@dataclass
class _Reach:
    """Follows the code from one module on."""

    code: _Code
    start: str
    calls: set[Call] = field(default_factory=set)
    _seen: set[tuple[str, str]] = field(default_factory=set)
    _made: dict[str, nodes.TypeInfo] = field(default_factory=dict)
    _asked: dict[tuple[str, str, str], nodes.TypeInfo] = field(default_factory=dict)
    _todo: list[tuple[str, ast.AST, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._todo.append((self.start, self.code.modules[self.start].tree, ""))
        for name in self.code.functions:
            if name.rpartition(".")[0] == self.start:
                self._read(name, "")
        while self._todo:
            self._follow(*self._todo.pop())

    def _follow(self, module: str, body: ast.AST, owner: str) -> None:
        """All that a function mentions; of a module or class its own statements."""
        known, todo, called = self.code.modules[module], list(ast.iter_child_nodes(body)), set[ast.expr]()
        while todo:
            node = todo.pop()
            if not (isinstance(node, Function | ast.ClassDef) and isinstance(body, ast.Module | ast.ClassDef)):
                todo += ast.iter_child_nodes(node)
            match node:
                case ast.Call(func=ast.Attribute() as method, args=args, keywords=keywords):
                    called.add(method)
                    index = [each.value for each in keywords if each.arg in ("index", "IndexName")]
                    if owner and (index or method.attr == "_query"):
                        self._called(
                            known, "dynamodb:Query", owner, "".join(f"/index/{_text(known, it)}" for it in index)
                        )
                    elif not (method.attr == "get_paginator" and "IndexName" in ast.unparse(body)):
                        self._member(known, method, args, owner)
                case ast.Attribute() if node not in called:
                    self._member(known, node, [], owner)
                case ast.Name():
                    self._mention(known.node(node), owner)
                case ast.Dict(keys=keys, values=values) if owner:
                    for key, value in zip(keys, values, strict=True):
                        if isinstance(key, ast.Constant) and key.value in WRITES:
                            self._called(known, WRITES[key.value], _writer(known, value) or owner)

    def _mention(self, node: nodes.SymbolNode | None, owner: str) -> None:
        match node:
            case nodes.OverloadedFuncDef() | nodes.FuncDef() | nodes.Decorator():
                self._read(node.fullname, owner)
            case nodes.TypeInfo() if node.fullname.startswith(OURS) and node.fullname not in self._made:
                self._made[node.fullname] = node
                self._read(node.fullname, "")
                for info in node.mro:
                    for name in info.names:
                        if name.startswith("__"):
                            self._read(f"{info.fullname}.{name}", "")
                for (_, name, of), asked in list(self._asked.items()):
                    self._answer(node, asked, name, of)
            case nodes.Var(fullname=fullname) if module := self.code.modules.get(fullname.rpartition(".")[0]):
                if (fullname, "") not in self._seen:
                    self._seen.add((fullname, ""))
                    for statement in module.tree.body:
                        if isinstance(statement, ast.Assign | ast.AnnAssign) and statement.value:
                            targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
                            if node.name in {ast.unparse(target) for target in targets}:
                                self._todo.append((fullname.rpartition(".")[0], statement, ""))

    def _read(self, name: str, owner: str) -> None:
        """`owner`: the class below aws whose method mentions it; a function of a module there works on its table."""
        body = self.code.functions.get(name)
        if body is None:
            return
        module = holder = name.rpartition(".")[0]
        while module not in self.code.modules:
            module = module.rpartition(".")[0]
        if not name.startswith(AWS):
            owner = ""
        elif holder != module:
            owner = holder
        if (name, owner) not in self._seen:
            self._seen.add((name, owner))
            self._todo.append((module, body, owner))

    def _member(self, known: _Module, member: ast.Attribute, args: list[ast.expr], owner: str) -> None:
        self._mention(known.node(member), owner)
        for held in known.asked(member):
            if isinstance(held, types.AnyType) or _name(held) == "types.ModuleType":
                for module in self.code.modules.values():
                    if (entry := module.names.get(member.attr)) and not isinstance(entry.node, nodes.Var):
                        self._mention(entry.node, owner)
            elif isinstance(held, types.Instance):
                if client := re.fullmatch(r"mypy_boto3_(\w+)\.client\.\w+Client", held.type.fullname):
                    self._aws(known, client[1], member.attr, args, owner)
                else:
                    self._method(held.type, member.attr, _said(known, held.type, args))
            elif isinstance(held, types.CallableType) and held.is_type_obj():
                self._method(held.type_object(), member.attr, ANY)

    def _method(self, info: nodes.TypeInfo, name: str, of: str) -> None:
        """`name` of whatever object may stand behind a type."""
        if info.fullname.startswith(OURS) and (info.fullname, name, of) not in self._asked:
            self._asked[info.fullname, name, of] = info
            for made in list(self._made.values()):
                self._answer(made, info, name, of)

    def _answer(self, made: nodes.TypeInfo, asked: nodes.TypeInfo, name: str, of: str) -> None:
        if is_subtype(fill_typevars(made), fill_typevars(asked)) and (entry := made.get(name)) and entry.node:
            if action := PLAIN.get(made.fullname, {}).get(name):
                on = SECRETS if action.startswith("secretsmanager:") else "CONNECTIONS_TABLE"
                self.calls.add(Call(action, on, of))
            self._read(entry.node.fullname, "")

    def _aws(self, known: _Module, service: str, method: str, args: list[ast.expr], owner: str) -> None:
        if method == "get_paginator":
            method = _text(known, args[0])
        if method in ("exceptions", "transact_write_items"):
            return
        action = f"{service}:{''.join(word.capitalize() for word in method.split('_'))}"
        if action not in PLAIN.get(owner, {}).values():
            self._called(known, BATCHES.get(action, action), owner)

    def _called(self, known: _Module, action: str, owner: str, index: str = "") -> None:
        place = "|".join(name + index for name in sorted(self.code.made_with.get(owner, ()))) or ANY
        for rows in _rows(known) if action.startswith("dynamodb:") else {ANY}:
            self.calls.add(Call(action, place, rows))


def _writer(known: _Module, value: ast.expr) -> str:
    """The class whose table a part of a transaction is for, if it is another's."""
    if isinstance(value, ast.Call) and isinstance(value.func, ast.Attribute):
        for held in known.asked(value.func):
            if isinstance(held, types.Instance) and held.type.fullname.startswith(AWS):
                return held.type.fullname
    return ""


def _said(known: _Module, info: nodes.TypeInfo, args: list[ast.expr]) -> str:
    """The argument that names rows or a secret: a text as it is, and `*` for what is put into it."""
    first = info.fullname == f"{AWS}connections_table.ConnectionsTable" or len(args) == 1
    return _text(known, args[0 if first else 1]) if args else ANY


def _rows(known: _Module) -> set[str]:
    """Partition keys that a module below aws makes up itself."""
    return {
        _text(known, value)
        for each in ast.walk(known.tree)
        if isinstance(each, ast.Dict)
        for key, value in zip(each.keys, each.values, strict=True)
        if isinstance(key, ast.Constant) and key.value == "pk"
    } or {ANY}


def _text(known: _Module, expression: ast.expr | None) -> str:
    """What it says, with `*` for what only the run knows."""
    match expression:
        case ast.Constant(value=str() as text):
            return text
        case ast.JoinedStr(values=values):
            return "".join(_text(known, each) for each in values)
        case ast.Dict(values=[value]):  # {"S": …}
            return _text(known, value)
        case ast.Name(id=name) | ast.Call(func=ast.Name(id=name)):
            for each in known.tree.body:
                match each:
                    case ast.Assign(targets=[ast.Name(id=defined)], value=value) if defined == name:
                        return _text(known, value)
                    case ast.FunctionDef(name=defined, body=[ast.Return(value=value)]) if defined == name:
                        return _text(known, value)
    return ANY


def _name(held: types.Type) -> str:
    return held.type.fullname if isinstance(held, types.Instance) else ""


def _place(node: ast.expr) -> tuple[int, int, int, int]:
    return node.lineno, node.col_offset, node.end_lineno or 0, node.end_col_offset or 0


def _parts(held: types.Type | None) -> list[types.Type]:
    proper = types.get_proper_type(held)
    if isinstance(proper, types.UnionType):
        return [part for item in proper.items for part in _parts(item)]
    if isinstance(proper, types.TypeVarType):
        return _parts(proper.upper_bound)
    return [proper] if proper else []
