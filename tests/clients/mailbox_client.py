"""What a system with a mailbox does, by the NHS's own client (PyPI `mesh-client`). Prints JSON.

Usage: mailbox_client.py URL MAILBOX PASSWORD SHARED_KEY COMMAND [ARGUMENT ...]

Commands: handshake, count, list [FILTER], send TO WORKFLOW FILE [NAME=VALUE ...],
fetch ID FILE (and acknowledges), peek ID, track ID, lookup ODS WORKFLOW, ping
"""

import hashlib
import json
import os
import sys

from mesh_client import MeshClient


def arguments(pairs):
    given = dict(pair.split("=", 1) for pair in pairs)
    numbers = {name: int(given.pop(name)) for name in ["max_chunk_size"] if name in given}
    flags = {name: given.pop(name) == "yes" for name in ["compress", "compressed", "encrypted"] if name in given}
    return {**given, **numbers, **flags}


def sent(client, to, workflow, path, *pairs):
    with open(path, "rb") as file:
        return client.send_message(to, file, workflow_id=workflow, **arguments(pairs))


def fetched(client, id, path):
    message = client.retrieve_message(id)
    digest, size = hashlib.sha256(), 0
    with open(path, "wb") as file:
        while piece := message.read(1 << 16):
            digest.update(piece)
            size += len(piece)
            file.write(piece)
    told = dict(message.mex_headers())
    message.acknowledge()
    message.close()
    return {"size": size, "sha256": digest.hexdigest(), "content_type": message.content_type, **told}


def peeked(client, id):
    message = client.retrieve_message(id)
    told = dict(message.mex_headers())
    message.close()
    return told


def main():
    url, mailbox, password, key, command, *rest = sys.argv[1:]
    secure = url.startswith("https")
    pair = (os.environ["MESH_CERTIFICATE"], os.environ["MESH_KEY"])
    if os.environ.get("MESH_SHOWS_NOTHING"):
        pair = None
    with MeshClient(
        url,
        mailbox,
        password,
        shared_key=key.encode(),
        cert=pair if secure else None,
        verify=os.environ["MESH_AUTHORITY"] if secure else None,
        max_retries=3,
    ) as client:
        answers = {
            "ping": lambda: client.ping(),
            "handshake": lambda: client.handshake().decode(),
            "count": lambda: client.count_messages(),
            "list": lambda workflow=None: list(client.iterate_message_ids(workflow_filter=workflow, batch_size=10)),
            "send": lambda *given: sent(client, *given),
            "fetch": lambda *given: fetched(client, *given),
            "peek": lambda id: peeked(client, id),
            "track": lambda id: client.track_message(id),
            "lookup": lambda ods, workflow: client.lookup_endpoint(ods, workflow),
        }
        print(json.dumps(answers[command](*rest)))


main()
