"""A STUB of the service "Check for National Data Opt-outs", for tests: it is not the service, and what it does is
what is told of the service in public (docs/opt-out.md).

It reads requests from its mailbox at the stand-in of MESH with the NHS's own client (PyPI mesh-client), and answers
each with the numbers that have not opted out, under the names that the request had. Who opted out stands in a file,
a number a line. It writes a line for each request: how many numbers came, how many went back.

    opt_out_service_stub.py URL MAILBOX WORKFLOW OPTED_OUT_FILE
"""

import sys
import time
import warnings
from pathlib import Path

warnings.simplefilter("ignore")

from mesh_client import MeshClient  # noqa: E402

SHARED_KEY = b"TestKey"
PASSWORD = "password"


def answer(client: MeshClient, workflow: str, opted_out: set[str]) -> None:
    for message in client.iterate_all_messages():
        with message:
            asked = message.read().decode("ascii")
            lines = asked.split("\n")
            # The form that the service asks for: a number, a comma and a line feed, to the last.
            numbers = [line.removesuffix(",") for line in lines[:-1]]
            fits = lines[-1] == "" and all(
                line.endswith(",") and len(line) == 11 and line[:10].isdigit() for line in lines[:-1]
            )
            usable = [number for number in numbers if number not in opted_out]
            body = "".join(f"{number},\n" for number in usable)
            if not fits:
                body = "The file contains one or more invalid NHS Numbers.\n"
            client.send_message(
                message.mex_header("from"),
                body.encode("ascii"),
                workflow_id=workflow,
                local_id=message.mex_header("localid"),
                subject=message.mex_header("subject"),
                filename=message.mex_header("filename"),
                # Small pieces, packed, so that an answer of many lines comes in several.
                max_chunk_size=60,
                compress=True,
            )
            message.acknowledge()
            print(f"asked {len(numbers)} usable {len(usable)} fits {fits}", flush=True)


def main() -> None:
    url, mailbox, workflow, file = sys.argv[1:5]
    with MeshClient(url, mailbox, PASSWORD, shared_key=SHARED_KEY) as client:
        while True:
            opted_out = set(Path(file).read_text().split())
            answer(client, workflow, opted_out)
            time.sleep(0.2)


if __name__ == "__main__":
    main()
