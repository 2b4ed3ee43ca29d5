import ast
import asyncio
import pickle
import shlex
import subprocess
import xml.sax.handler

import numpy as np
import torch
import yaml
from lxml import etree
import os


def rows(cursor, table, value):
    # ruleid: python-sql-from-parts
    cursor.execute(f"SELECT * FROM {table}")
    # ruleid: python-sql-from-parts
    cursor.execute("DELETE FROM users WHERE name = '%s'" % value)
    # ruleid: python-sql-from-parts
    cursor.execute("select * from {}".format(table))
    query = "SELECT * FROM users WHERE name = '" + value + "'"
    # ruleid: python-sql-from-parts
    cursor.execute(query)
    # ok: python-sql-from-parts
    cursor.execute("SELECT * FROM users " + "WHERE name = %s", [value])
    # ok: python-sql-from-parts
    cursor.execute("SELECT * FROM users WHERE name = %s", [f"{value}%"])


def total(expression):
    # ruleid: python-eval
    first = eval(expression)
    # ruleid: python-eval
    exec(expression, {})
    # ok: python-eval
    return first + eval("1 + 1") + ast.literal_eval(expression)


async def archive(path):
    # ruleid: python-shell-command
    subprocess.run(f"tar -cf {path}.tar {path}", shell=True, check=True)
    # ruleid: python-shell-command
    os.system("tar -cf out.tar " + path)
    # ruleid: python-shell-command
    await asyncio.create_subprocess_shell(f"tar -cf {path}.tar")
    # ok: python-shell-command
    os.system("tar -cf out.tar folder")
    # ok: python-shell-command
    subprocess.run("tar -cf out.tar *", shell=True, check=True)
    # ok: python-shell-command
    subprocess.run(["tar", "-cf", f"{path}.tar", path], check=True)
    # ok: python-shell-command
    os.system(shlex.join(["tar", "-cf", path]))


def count(path):
    # ruleid: python-shell-wrapper
    subprocess.run(["bash", "-c", f"wc -l {path}"], check=True)
    # ok: python-shell-wrapper
    subprocess.run(["sh", "-c", 'wc -l "$1"', "sh", path], check=True)
    # ok: python-shell-wrapper
    subprocess.run(["python", "-c", path], check=True)


def restore(data, file, value):
    # ruleid: python-pickle
    first = pickle.loads(data)
    # ruleid: python-pickle
    second = pickle.load(file)
    # ok: python-pickle
    return first, second, pickle.loads(pickle.dumps(value))


def model(path):
    # ruleid: python-pickled-model
    first = torch.load(path, weights_only=False)
    # ruleid: python-pickled-model
    second = np.load(path, allow_pickle=True)
    # ok: python-pickled-model
    return first, second, torch.load(path, weights_only=True), np.load(path)


def settings(text):
    # ruleid: python-yaml-load
    first = yaml.load(text, Loader=yaml.Loader)
    # ruleid: python-yaml-load
    second = yaml.load(text)
    # ruleid: python-yaml-load
    third = yaml.unsafe_load(text)
    # ok: python-yaml-load
    fourth = yaml.load(text, Loader=yaml.CSafeLoader)
    # ok: python-yaml-load
    return first, second, third, fourth, yaml.safe_load(text)


def document(path, parser):
    # ruleid: python-xml-entities
    first = etree.XMLParser(resolve_entities=True)
    # ruleid: python-xml-network
    second = etree.XMLParser(no_network=False)
    # ok: python-xml-network
    third = etree.XMLParser(no_network=True)
    # ruleid: python-xml-entities
    parser.setFeature(xml.sax.handler.feature_external_ges, True)
    # ok: python-xml-entities
    return first, second, third, etree.parse(path, etree.XMLParser(resolve_entities=False, no_network=True))
