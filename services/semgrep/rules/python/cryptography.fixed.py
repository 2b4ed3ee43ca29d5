import hashlib
import hmac
import os
import random
import secrets
import ssl

import httpx
import jwt
import paramiko
import requests
from Crypto.Cipher import AES, DES
from Crypto.PublicKey import RSA
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM


def hashes(password, content):
    # ruleid: python-password-hash
    first = hashlib.sha256(password.encode()).hexdigest()
    # ruleid: python-weak-hash
    second = hashlib.md5(content)
    # ruleid: python-weak-hash
    third = hashlib.new("sha1", content)
    # ok: python-weak-hash
    fourth = hashlib.md5(content, usedforsecurity=False)
    # ok: python-password-hash, python-weak-hash
    fifth = hashlib.sha256(content)
    # ok: python-password-hash
    sixth = hashlib.scrypt(password.encode(), salt=os.urandom(16), n=2**14, r=8, p=1)
    return first, second, third, fourth, fifth, sixth


def ciphers(key, message):
    # ruleid: python-weak-cipher
    first = DES.new(key, DES.MODE_CBC, os.urandom(8))
    # ruleid: python-weak-cipher
    second = Cipher(algorithms.TripleDES(key), modes.CBC(os.urandom(8)))
    # ruleid: python-ecb-mode
    third = AES.new(key, AES.MODE_ECB)
    # ruleid: python-ecb-mode
    fourth = Cipher(algorithms.AES(key), modes.ECB())
    # ok: python-weak-cipher, python-ecb-mode
    fifth = AES.new(key, AES.MODE_GCM)
    # ok: python-weak-cipher, python-ecb-mode
    return first, second, third, fourth, fifth, Cipher(algorithms.AES(key), modes.GCM(os.urandom(12)))


def initial_values(key):
    iv = b"0123456789abcdef"
    # ruleid: python-constant-iv
    first = AES.new(key, AES.MODE_CBC, iv)
    # ruleid: python-constant-iv
    second = Cipher(algorithms.AES(key), modes.CTR(bytes(16)))
    fresh = os.urandom(16)
    # ok: python-constant-iv
    return first, second, AES.new(key, AES.MODE_CBC, fresh), AESGCM(key)


def keys():
    # ruleid: python-small-key
    first = rsa.generate_private_key(public_exponent=65537, key_size=3072)
    # ruleid: python-small-key
    second = RSA.generate(3072)
    # ok: python-small-key
    return first, second, rsa.generate_private_key(public_exponent=65537, key_size=3072)


def new_password():
    # ruleid: python-guessable-secret
    return "".join(random.choice("abcdef") for _ in range(12))


def new_colour():
    # ok: python-guessable-secret
    return random.choice(["red", "green"])


def tokens():
    # ruleid: python-guessable-secret
    reset_token = str(random.randint(0, 999999))
    # ok: python-guessable-secret
    token_count = random.randint(1, 5)
    # ok: python-guessable-secret
    session_id = secrets.token_urlsafe()
    return reset_token, token_count, session_id


def calls(url, context, session):
    # ruleid: python-tls-not-verified
    requests.get(url, timeout=5, verify=True)
    # ruleid: python-tls-not-verified
    httpx.Client(verify=True)
    # ruleid: python-tls-not-verified
    context.check_hostname = True
    # ruleid: python-tls-not-verified
    session.verify = True
    # ruleid: python-tls-cert-none
    context.verify_mode = ssl.CERT_REQUIRED
    # ruleid: python-tls-unverified-context
    urlopen(url, timeout=5, context=ssl._create_unverified_context())
    # ok: python-tls-not-verified
    requests.get(url, timeout=5, verify="ca.pem")
    # ok: python-tls-not-verified
    session.verify = True
    # ok: python-tls-cert-none
    context.verify_mode = ssl.CERT_REQUIRED
    # ok: python-tls-unverified-context
    urlopen(url, timeout=5, context=ssl.create_default_context())


def versions(context):
    # ruleid: python-old-tls-protocol
    first = ssl.SSLContext(ssl.PROTOCOL_TLSv1)
    # ruleid: python-old-tls
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    # ok: python-old-tls
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    # ok: python-old-tls-protocol
    return first, ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def shell(client):
    # ruleid: python-ssh-unknown-host
    client.set_missing_host_key_policy(paramiko.AutoAddPolicy())
    # ok: python-ssh-unknown-host
    client.set_missing_host_key_policy(paramiko.RejectPolicy())


def claims(token, key):
    # ruleid: python-jwt-not-verified
    first = jwt.decode(token, options={"verify_signature": False})
    # ruleid: python-jwt-not-verified
    second = jwt.decode(token, key, algorithms=["HS256", "none"])
    # ok: python-jwt-not-verified
    return first, second, jwt.decode(token, key, algorithms=["HS256"])


def issue(claims, key):
    # ruleid: python-jwt-constant-key
    first = jwt.encode(claims, "kq83-Jd02-lmQ9", algorithm="HS256")
    # ok: python-jwt-constant-key
    return first, jwt.encode(claims, key, algorithm="HS256")


# ruleid: python-constant-password
DATABASE_PASSWORD = "h7Gq2-zzK1"
# ok: python-constant-password
ADMIN_PASSWORD = os.environ["ADMIN_PASSWORD"]
# ok: python-constant-password
API_KEY = "<your key>"
# ok: python-constant-password
PASSWORD_FIELD = "user_pass9"


def connections(connect):
    # ruleid: python-constant-password
    first = connect(host="db", password="h7Gq2-zzK1")
    # ok: python-constant-password
    return first, connect(host="db", password="changeme1")


def signed(key, message, signature):
    expected = hmac.new(key, message, "sha256").hexdigest()
    # ruleid: python-secret-comparison
    first = expected == signature
    # ok: python-secret-comparison
    return first, hmac.compare_digest(expected, signature)
