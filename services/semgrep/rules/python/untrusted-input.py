import ast
import importlib
import json
import logging
import os
import shlex
import subprocess
from pathlib import Path

import flask
import httpx
import jinja2
import ldap.filter
import requests
import sqlalchemy
from django.http import HttpResponseRedirect
from django.utils.http import url_has_allowed_host_and_scheme
from fastapi import FastAPI
from fastapi.responses import FileResponse
from flask import Flask, redirect, render_template_string, request, send_file, url_for
from werkzeug.utils import secure_filename

app = Flask(__name__)
api = FastAPI()
logger = logging.getLogger(__name__)


@app.route("/users")
def users(cursor):
    name = request.args.get("name")
    # ruleid: python-sql-injection
    cursor.execute("SELECT * FROM users WHERE name = '" + name + "'")
    # ruleid: python-sql-injection
    cursor.execute(f"SELECT * FROM users WHERE name = '{name}'")
    # ok: python-sql-injection
    cursor.execute("SELECT * FROM users WHERE name = %s", [name])
    # ok: python-sql-injection
    cursor.execute(f"SELECT * FROM users LIMIT {int(request.args['limit'])}")


def orders(request, session):
    # ruleid: python-sql-injection
    Order.objects.raw("SELECT * FROM orders ORDER BY %s" % request.GET["by"])
    # ok: python-sql-injection
    session.execute(sqlalchemy.select(Order).where(Order.name == request.GET["name"]))


@api.get("/items/{item}")
async def item(item: str, number: int, connection):
    # ruleid: python-sql-injection
    await connection.execute(f"SELECT * FROM items WHERE id = '{item}'")
    # ok: python-sql-injection
    await connection.execute(f"SELECT * FROM items WHERE number = {number}")


def ping(request):
    host = request.POST["host"]
    # ruleid: python-command-injection
    os.system("ping -c 1 " + host)
    # ruleid: python-command-injection
    subprocess.run(f"ping -c 1 {host}", shell=True, check=True)
    # ok: python-command-injection
    subprocess.run(["ping", "-c", "1", "--", host], check=True)
    # ok: python-command-injection
    os.system("ping -c 1 " + shlex.quote(host))


def calculate(request):
    text = request.POST.get("expression", "")
    # ruleid: python-code-injection
    total = eval(text)
    # ruleid: python-code-injection
    importlib.import_module("plugins." + text)
    # ok: python-code-injection
    return ast.literal_eval(text), json.loads(text), total


@app.post("/greet/<name>")
def greet(name):
    # ruleid: python-template-injection
    first = render_template_string("<p>Hello " + name + "</p>")
    # ruleid: python-template-injection
    second = jinja2.Template(request.form["template"]).render()
    # ok: python-template-injection
    return render_template_string("<p>Hello {{ name }}</p>", name=name), first, second


def find_person(request, connection):
    name = request.GET["name"]
    # ruleid: python-ldap-injection
    connection.search_s("ou=people", 2, f"(uid={name})")
    # ok: python-ldap-injection
    connection.search_s("ou=people", 2, f"(uid={ldap.filter.escape_filter_chars(name)})")


def find_book(request, tree):
    title = request.GET["title"]
    # ruleid: python-xpath-injection
    tree.xpath("//book[title='" + title + "']")
    # ok: python-xpath-injection
    tree.xpath("//book[title=$title]", title=title)


def log_in(request):
    name = request.POST["name"]
    # ruleid: python-log-injection
    logger.info(f"log-in of {name}")
    # ruleid: python-log-injection
    logger.warning("no user %s", name)
    # ok: python-log-injection
    logger.info("log-in of %r", name)


def after_log_in(request):
    target = request.GET.get("next", "/")
    # ruleid: python-open-redirect
    first = HttpResponseRedirect(target)
    if url_has_allowed_host_and_scheme(target, allowed_hosts={request.get_host()}):
        # ok: python-open-redirect
        return HttpResponseRedirect(target)
    return first


@app.route("/go")
def go():
    # ruleid: python-open-redirect
    first = redirect(flask.request.args["to"])
    # ok: python-open-redirect
    return first or redirect(url_for("page", name=request.args["name"]))


@app.route("/page")
def page():
    # ok: python-open-redirect
    return redirect(f"/pages/{request.args['name']}")


def preview(request):
    url = request.GET["url"]
    # ruleid: python-ssrf
    first = requests.get(url, timeout=5)
    # ruleid: python-ssrf
    second = httpx.get(f"http://{url}/status")
    # ok: python-ssrf
    return requests.post("https://api.example.com/preview", json={"url": url}, timeout=5), first, second


@app.route("/files/<path:name>")
def files(name):
    # ruleid: python-path-traversal
    first = open(os.path.join("/srv/files", name))
    # ruleid: python-path-traversal
    second = send_file("/srv/files/" + name)
    # ruleid: python-path-traversal
    third = Path("/srv/files/" + name).read_text()
    # ok: python-path-traversal
    return open(os.path.join("/srv/files", secure_filename(name))), first, second, third


@api.get("/files/{name}")
def file(name: str, number: int):
    # ruleid: python-path-traversal
    first = FileResponse(f"/srv/files/{name}")
    # ok: python-path-traversal
    return FileResponse(f"/srv/files/{number}"), first
