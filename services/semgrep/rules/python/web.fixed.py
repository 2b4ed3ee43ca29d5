import gzip
import html
import re
import urllib.request
import zlib

import flask_cors
import grpc
import httpx
import jinja2
import requests
from django.http import HttpResponse
from django.utils.html import format_html
from django.utils.safestring import mark_safe
from django.views.decorators.csrf import csrf_exempt, csrf_protect
from fastapi import FastAPI
from fastapi.middleware.cors import CORSMiddleware
from flask import Flask, make_response, request

app = Flask(__name__)
api = FastAPI()


def hello(request):
    name = request.GET["name"]
    # ruleid: python-reflected-xss
    first = HttpResponse("<p>Hello " + name)
    # ok: python-reflected-xss
    return HttpResponse("<p>Hello " + html.escape(name)) or first


@app.route("/hello")
def hello_again():
    # ruleid: python-reflected-xss
    return f"<p>Hello {request.args['name']}"


@app.route("/hello.json")
def hello_json():
    # ok: python-reflected-xss
    return {"name": request.args["name"]}


def bold(value):
    # ruleid: python-unescaped-markup
    first = mark_safe(f"<b>{value}</b>")
    # ruleid: python-unescaped-markup
    second = mark_safe("<b>%s</b>" % value)
    # ok: python-unescaped-markup
    third = mark_safe("<b>new</b>")
    # ok: python-unescaped-markup
    return first, second, third, format_html("<b>{}</b>", value)


# ruleid: python-template-autoescape-off
plain = jinja2.Environment(loader=jinja2.FileSystemLoader("pages"))
# ok: python-template-autoescape-off
escaping = jinja2.Environment(autoescape=jinja2.select_autoescape())


def serve(debug):
    # ruleid: python-debug-server
    app.run(port=8080, debug=False)
    # ok: python-debug-server
    app.run(port=8080, debug=debug)


# ruleid: python-cors-any-origin
api.add_middleware(CORSMiddleware, allow_origins=["*"], allow_credentials=True)
# ok: python-cors-any-origin
api.add_middleware(CORSMiddleware, allow_origins=["https://app.example.com"], allow_credentials=True)
# ruleid: python-cors-any-origin
flask_cors.CORS(app, origins="*", supports_credentials=True)
# ok: python-cors-any-origin
flask_cors.CORS(app, origins="*")


def keep(response, token):
    # ruleid: python-bare-cookie
    response.set_cookie("session", token)
    # ruleid: python-insecure-cookie
    response.set_cookie("colour", "red", httponly=True)
    # ruleid: python-insecure-cookie
    response.set_cookie("session", token, secure=True)
    # ok: python-insecure-cookie, python-bare-cookie
    response.set_cookie("session", token, secure=True, httponly=True, samesite="Lax")
    # ok: python-bare-cookie
    response.set_cookie("colour", "red")


# ruleid: python-csrf-off
@csrf_exempt
def pay(request):
    return HttpResponse()


# ok: python-csrf-off
@csrf_protect
def order(request):
    return HttpResponse()


def sign_up(request):
    # ruleid: python-mass-assignment
    User.objects.create(**request.POST.dict())
    fields = request.json
    # ruleid: python-mass-assignment
    User(**fields)
    # ok: python-mass-assignment
    User.objects.create(name=request.POST["name"])


def find(request, text):
    # ruleid: python-regex-from-request
    first = re.search(request.GET["pattern"], text)
    # ok: python-regex-from-request
    second = re.search(re.escape(request.GET["pattern"]), text)
    # ok: python-regex-from-request
    return first, second, re.search(r"\w+", request.GET["text"])


def upload(request, known):
    # ruleid: python-decompression-bomb
    first = gzip.decompress(request.body)
    # ok: python-decompression-bomb
    return first, zlib.decompressobj().decompress(request.body, 2**20), gzip.decompress(known)


def call(url, options):
    # ruleid: python-request-without-timeout
    requests.get(url)
    # ruleid: python-request-without-timeout
    httpx.get(url, timeout=None)
    # ok: python-request-without-timeout
    requests.get(url, timeout=10)
    # ok: python-request-without-timeout
    requests.post(url, **options)
    # ok: python-request-without-timeout
    httpx.get(url)


def read(url):
    # ruleid: python-urlopen-without-timeout
    first = urllib.request.urlopen(url)
    # ok: python-urlopen-without-timeout
    return first, urllib.request.urlopen(url, timeout=10)


def channels(address, credentials, server):
    # ruleid: python-insecure-grpc
    grpc.aio.insecure_channel(address)
    # ruleid: python-insecure-grpc
    server.add_insecure_port("0.0.0.0:50051")
    # ok: python-insecure-grpc
    grpc.insecure_channel("unix:/run/app.sock")
    # ok: python-insecure-grpc
    grpc.secure_channel(address, credentials)
