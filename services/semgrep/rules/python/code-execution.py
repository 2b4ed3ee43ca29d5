import ast


def total(expression):
    # ruleid: python-eval
    return eval(expression)


def fixed():
    # ok: python-eval
    return eval("1 + 1")


def literal(text):
    # ok: python-eval
    return ast.literal_eval(text)
