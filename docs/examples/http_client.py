"""Asks for a repository's map by HTTP and JSON, with nothing but the standard library.

Run it as `python docs/examples/http_client.py 127.0.0.1:8080 TOKEN WORKSPACE`.
"""

import json
import sys
import urllib.request


def main(address: str, token: str, workspace: str) -> None:
    """Prints the map and what it cost."""
    request = urllib.request.Request(
        f"http://{address}/v1/repomap:map",
        data=json.dumps({"workspace": workspace, "maxTokens": 1000}).encode(),
        headers={"authorization": f"Bearer {token}", "content-type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=60) as response:  # noqa: S310
        answer = json.load(response)
    print(answer["map"])
    print(f"{answer['tokenCount']} tokens, {answer['shownFileCount']} files shown")


if __name__ == "__main__":
    main(*sys.argv[1:])
