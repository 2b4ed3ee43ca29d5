"""The program that makes the model that is run out of the installed one.

The installed model keeps its weights as 8-bit integers and turns all of them into floats before it
calculates. The one made here calculates with the integers: what is multiplied with a weight is
scaled to 8 bits by its own range, and the product is scaled back (ONNX's `DynamicQuantizeLinear`
and `MatMulInteger`). That takes half of the time and less memory, for about the same numbers.

Its arguments are the installed file and the file to write.
"""

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import onnx
from onnx import NodeProto, TensorProto, helper


@dataclass(frozen=True, slots=True)
class _Weight:
    """A matrix of integers, and what each of its rows or columns is to be multiplied with."""

    integers: str
    scale: str


def in_integers(model: onnx.ModelProto) -> int:
    """Change a model so that it calculates with its integers; return how many steps were changed.

    A weight is an initializer of 8-bit integers that a `Cast` and then a `Mul` with another
    initializer turn into floats.
    """
    graph = model.graph
    weights = _weights(graph)
    scaled: set[str] = set()
    nodes: list[NodeProto] = []
    changed = 0
    for node in graph.node:
        names = node.input
        if node.op_type == "MatMul" and names[1] in weights:
            if names[0] not in scaled:
                scaled.add(names[0])
                nodes.append(
                    helper.make_node("DynamicQuantizeLinear", [names[0]], _ranged(names[0]))
                )
            nodes.extend(_product(node, weights[names[1]]))
        elif node.op_type == "Gather" and names[0] in weights:
            nodes.extend(_rows(node, weights[names[0]]))
        else:
            nodes.append(node)
            continue
        changed += 1
    del graph.node[:]
    graph.node.extend(_needed(nodes, {each.name for each in graph.output}))
    return changed


def _weights(graph: onnx.GraphProto) -> dict[str, _Weight]:
    """Return the weights by the name of the floats that they are turned into."""
    integers = {each.name for each in graph.initializer if each.data_type == TensorProto.INT8}
    others = {each.name for each in graph.initializer} - integers
    casts = {
        node.output[0]: node.input[0]
        for node in graph.node
        if node.op_type == "Cast" and node.input[0] in integers
    }
    return {
        node.output[0]: _Weight(casts[node.input[0]], node.input[1])
        for node in graph.node
        if node.op_type == "Mul" and node.input[0] in casts and node.input[1] in others
    }


def _ranged(name: str) -> list[str]:
    """Return the names of a value's integers, of their scale and of their zero."""
    return [f"{name}_integers", f"{name}_scale", f"{name}_zero"]


def _product(node: NodeProto, weight: _Weight) -> Iterator[NodeProto]:
    name, made = node.input[0], node.output[0]
    integers, scale, zero = _ranged(name)
    sums, floats, factor = f"{made}_sums", f"{made}_floats", f"{made}_factor"
    yield helper.make_node("MatMulInteger", [integers, weight.integers, zero], [sums])
    yield helper.make_node("Cast", [sums], [floats], to=TensorProto.FLOAT)
    yield helper.make_node("Mul", [scale, weight.scale], [factor])
    yield helper.make_node("Mul", [floats, factor], [made])


def _rows(node: NodeProto, weight: _Weight) -> Iterator[NodeProto]:
    """Turn into floats those rows alone that are taken; there is a factor for each row."""
    places, made = node.input[1], node.output[0]
    rows, floats, factors = f"{made}_rows", f"{made}_floats", f"{made}_factors"
    yield helper.make_node("Gather", [weight.integers, places], [rows])
    yield helper.make_node("Cast", [rows], [floats], to=TensorProto.FLOAT)
    yield helper.make_node("Gather", [weight.scale, places], [factors])
    yield helper.make_node("Mul", [floats, factors], [made])


def _needed(nodes: list[NodeProto], outputs: set[str]) -> list[NodeProto]:
    """Leave out what nothing asks for any more; each node comes after those that it asks for."""
    asked = set(outputs)
    needed: list[NodeProto] = []
    for node in reversed(nodes):
        if asked.intersection(node.output):
            asked.update(node.input)
            needed.append(node)
    return needed[::-1]


def main() -> None:
    """Read one file and write the other; exit with 1 if there is nothing to change in the first."""
    source, target = sys.argv[1:]
    model = onnx.load(source)
    if not in_integers(model):
        sys.exit(f"{Path(source).name} has no weights in 8-bit integers")
    onnx.save(model, target)


if __name__ == "__main__":
    main()
