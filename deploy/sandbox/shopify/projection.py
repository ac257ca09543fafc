"""Compiles a GraphQL selection once into functions over our objects, because a generic executor is too slow.

A field is read by a reader: `reader(source, call)`. Readers are given per type and field name; what the
selection asks for decides which are called. Costs are computed from the same tree: objects cost 1, scalars and
enums nothing, a connection its page size times its node, a mutation 10 (rate limits, "Calculated query cost").
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    GraphQLField,
    GraphQLNamedType,
    GraphQLObjectType,
    GraphQLSchema,
    InlineFragmentNode,
    OperationDefinitionNode,
    SelectionNode,
    SelectionSetNode,
    get_named_type,
    is_abstract_type,
    is_leaf_type,
    is_list_type,
    is_non_null_type,
)
from graphql.execution.values import VariableValues, get_argument_values

MUTATION_COST = 10
#: What a connection is taken to hold when neither `first` nor `last` is given; the read itself is refused.
_UNSAID = 1


class Readers:
    """How each field of each type is read from its source object.

    `plain` fields read the source alone; `called` ones also their arguments and the call. `type_of` names the
    GraphQL type of an object where the schema has an interface or union of the given name.
    """

    def __init__(
        self,
        *,
        plain: Mapping[str, Mapping[str, Callable[[Any], Any]]],
        called: Mapping[str, Mapping[str, Callable[[Any, Mapping[str, Any], Any], Any]]],
        type_of: Callable[[Any, str], str],
        protected: Iterable[tuple[str, str]] = (),
    ) -> None:
        self.plain = plain
        self.called = called
        self.type_of = type_of
        self.protected = frozenset(protected)


@dataclass(slots=True)
class Call:
    """One execution: variables, who asks (`context`), and what was spent and denied on the way."""

    variables: VariableValues
    context: Any
    #: Whether personal data is withheld from this app.
    withhold: bool = False
    spent: int = 0
    denied: set[tuple[str, str]] = field(default_factory=set)
    arguments: dict[int, dict[str, Any]] = field(default_factory=dict)


Reader = Callable[[Any, Call], Any]


@dataclass(frozen=True, slots=True)
class Compiled:
    """An operation ready to run."""

    #: Root field names that are asked for, for access checks.
    fields: tuple[str, ...]
    mutation: bool
    run: Callable[[Call], dict[str, Any]]
    #: The cost that is held before running.
    cost: Callable[[Call], int]


@dataclass(frozen=True, slots=True)
class _Part:
    """A selected field: its key in the answer, how to read it, and what it costs at most."""

    key: str
    read: Reader
    cost: Callable[[Call], int]
    #: The same, where the source alone is enough: the common case, and the faster one.
    plain: Callable[[Any], Any] | None = None


def compile_operation(
    schema: GraphQLSchema, document: DocumentNode, operation: OperationDefinitionNode, readers: Readers
) -> Compiled:
    """Compile a validated operation; its root fields are read from `call.context`."""
    fragments = {node.name.value: node for node in document.definitions if isinstance(node, FragmentDefinitionNode)}
    root = schema.get_root_type(operation.operation)
    if root is None:
        raise ValueError("the schema has no such root type")
    mutation = root is schema.mutation_type
    compiler = _Compiler(schema, fragments, readers)
    parts = compiler.parts(root, [operation.selection_set])
    base = MUTATION_COST * len(parts) if mutation else 0

    def run(call: Call) -> dict[str, Any]:
        call.spent += base
        return {part.key: part.read(call.context, call) for part in parts}

    def cost(call: Call) -> int:
        return base + sum(part.cost(call) for part in parts)

    names = compiler.collect(root, [operation.selection_set]).values()
    return Compiled(tuple(nodes[0].name.value for nodes in names), mutation, run, cost)


class _Compiler:
    def __init__(
        self, schema: GraphQLSchema, fragments: Mapping[str, FragmentDefinitionNode], readers: Readers
    ) -> None:
        self._schema = schema
        self._fragments = fragments
        self._readers = readers

    def collect(self, parent: GraphQLObjectType, sets: Iterable[SelectionSetNode]) -> dict[str, list[FieldNode]]:
        """The field nodes by answer key, fragments opened, in the order asked."""
        found: dict[str, list[FieldNode]] = {}
        for selection_set in sets:
            for node in selection_set.selections:
                self._collect_node(parent, node, found)
        return found

    def _collect_node(self, parent: GraphQLObjectType, node: SelectionNode, found: dict[str, list[FieldNode]]) -> None:
        if node.directives:
            raise GraphQLError("This stand-in evaluates no directives.", node)
        if isinstance(node, FieldNode):
            key = node.alias.value if node.alias else node.name.value
            found.setdefault(key, []).append(node)
            return
        if isinstance(node, FragmentSpreadNode):
            fragment = self._fragments[node.name.value]
            condition, selection_set = fragment.type_condition.name.value, fragment.selection_set
        elif isinstance(node, InlineFragmentNode):
            condition = node.type_condition.name.value if node.type_condition else parent.name
            selection_set = node.selection_set
        else:
            raise TypeError("not a selection")
        if self._applies(condition, parent):
            for key, nodes in self.collect(parent, [selection_set]).items():
                found.setdefault(key, []).extend(nodes)

    def _applies(self, condition: str, parent: GraphQLObjectType) -> bool:
        wanted = self._schema.type_map[condition]
        if wanted is parent:
            return True
        return is_abstract_type(wanted) and self._schema.is_sub_type(wanted, parent)

    def parts(self, parent: GraphQLObjectType, sets: Iterable[SelectionSetNode]) -> list[_Part]:
        return [self._part(parent, key, nodes) for key, nodes in self.collect(parent, sets).items()]

    def _part(self, parent: GraphQLObjectType, key: str, nodes: list[FieldNode]) -> _Part:
        name = nodes[0].name.value
        if name == "__typename":
            return _Part(key, lambda _source, _call: parent.name, _free)
        definition = parent.fields[name]
        read = self._reader(parent, definition, nodes[0])
        if (parent.name, name) in self._readers.protected:
            read = _withheld(read, (parent.name, name))
        named = get_named_type(definition.type)
        if is_leaf_type(named):
            return _Part(key, read, _free, self._plain(parent, name))
        sets = [node.selection_set for node in nodes if node.selection_set]
        shape, weight = self._shape(named, sets)
        many = _is_list(definition)
        return _Part(key, _then(read, shape, many=many), _scaled(weight, _arguments_of(definition, nodes[0])))

    def _plain(self, parent: GraphQLObjectType, name: str) -> Callable[[Any], Any] | None:
        if (parent.name, name) in self._readers.protected:
            return None
        return self._readers.plain.get(parent.name, {}).get(name)

    def _reader(self, parent: GraphQLObjectType, definition: GraphQLField, node: FieldNode) -> Reader:
        name = node.name.value
        called = self._readers.called.get(parent.name, {}).get(name)
        if called is None:
            plain = self._readers.plain[parent.name][name]
            return lambda source, _call: plain(source)
        arguments = _arguments_of(definition, node)
        return lambda source, call: called(source, arguments(call), call)

    def _shape(self, named: GraphQLNamedType, sets: list[SelectionSetNode]) -> tuple[Reader, Callable[[Call], int]]:
        """How an object of this type becomes a dict, and what one of it costs."""
        if isinstance(named, GraphQLObjectType):
            return self._object(named, sets)
        shapes = {kind.name: self._object(kind, sets) for kind in self._possible(named)}
        type_of = self._readers.type_of

        def shape(source: Any, call: Call) -> Any:
            return shapes[type_of(source, named.name)][0](source, call)

        def cost(call: Call) -> int:
            return max(weight(call) for _, weight in shapes.values())

        return shape, cost

    def _possible(self, named: GraphQLNamedType) -> list[GraphQLObjectType]:
        return [
            kind
            for kind in self._schema.type_map.values()
            if isinstance(kind, GraphQLObjectType) and self._applies(named.name, kind)
        ]

    def _object(self, kind: GraphQLObjectType, sets: list[SelectionSetNode]) -> tuple[Reader, Callable[[Call], int]]:
        parts = self.parts(kind, sets)
        empty = dict.fromkeys(part.key for part in parts)
        plain = [(part.key, part.plain) for part in parts if part.plain is not None]
        called = [(part.key, part.read) for part in parts if part.plain is None]
        own = 0 if _is_wrapper(kind.name) else 1
        costs = [part.cost for part in parts if part.cost is not _free]

        def shape(source: Any, call: Call) -> dict[str, Any]:
            call.spent += own
            answer: dict[str, Any] = empty.copy()  # keeps the order that was asked for
            for key, get in plain:
                answer[key] = get(source)
            for key, read in called:
                answer[key] = read(source, call)
            return answer

        def cost(call: Call) -> int:
            return own + sum(part(call) for part in costs)

        return shape, cost


def _is_wrapper(name: str) -> bool:
    """Connections, their edges and page facts are not objects of their own in the calculation."""
    return name == "PageInfo" or name.endswith(("Connection", "Edge"))


def _is_list(definition: GraphQLField) -> bool:
    kind = definition.type
    return is_list_type(kind.of_type if is_non_null_type(kind) else kind)


def _free(_call: Call) -> int:
    return 0


def _withheld(read: Reader, name: tuple[str, str]) -> Reader:
    def guarded(source: Any, call: Call) -> Any:
        if not call.withhold:
            return read(source, call)
        call.denied.add(name)
        return None

    return guarded


def _then(read: Reader, shape: Reader, *, many: bool) -> Reader:
    def one(source: Any, call: Call) -> Any:
        value = read(source, call)
        return None if value is None else shape(value, call)

    def each(source: Any, call: Call) -> Any:
        values = read(source, call)
        if values is None:
            return None
        return [None if value is None else shape(value, call) for value in values]

    return each if many else one


def _scaled(weight: Callable[[Call], int], arguments: Callable[[Call], dict[str, Any]]) -> Callable[[Call], int]:
    def cost(call: Call) -> int:
        given = arguments(call)
        if isinstance(given.get("ids"), list):
            return max(1, len(given["ids"])) * weight(call)
        if "first" not in given and "last" not in given:
            return weight(call)
        size = given.get("first") or given.get("last") or _UNSAID
        return max(1, size) * weight(call)

    return cost


def _arguments_of(definition: GraphQLField, node: FieldNode) -> Callable[[Call], dict[str, Any]]:
    """The field's arguments: coerced once per call, not once per object."""
    if not definition.args:
        return lambda _call: {}
    key = id(node)

    def arguments(call: Call) -> dict[str, Any]:
        known = call.arguments.get(key)
        if known is None:
            known = call.arguments[key] = get_argument_values(definition, node, call.variables)
        return known

    return arguments
