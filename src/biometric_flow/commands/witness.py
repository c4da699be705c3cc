"""`biometric-flow witness serve`: be the witness of somebody's log, with a key and a memory of one's own."""

import argparse
from pathlib import Path

from biometric_flow.commands.screen import Screen
from biometric_flow.ledger.errors import KeyTextInvalid
from biometric_flow.ledger.note import Cosigner, PublicKey
from biometric_flow.runtime.process import usable_folder
from biometric_flow.runtime.signing import signing_key


def add_witness(parser: argparse.ArgumentParser) -> None:
    """The commands below `witness`."""
    commands = parser.add_subparsers(required=True, metavar="WHAT")
    serve = commands.add_parser("serve", help="cosign what continues the logs that you name (C2SP tlog-witness)")
    _own(serve)
    serve.add_argument(
        "--log", action="append", required=True, type=_key, metavar="VKEY", help="a log's public key; may be repeated"
    )
    serve.add_argument("--host", default="127.0.0.1", help="(default: 127.0.0.1; put TLS in front of any other)")
    serve.add_argument("--port", type=int, default=9100, help="(default: 9100)")
    serve.set_defaults(command=_serve)
    key = commands.add_parser("key", help="print the line that a gateway needs to ask this witness")
    _own(key)
    key.add_argument("--url", required=True, help="where the gateway reaches it")
    key.set_defaults(command=_key_line)
    refused = commands.add_parser("refused", help="checkpoints that contradict what was cosigned: the evidence")
    refused.add_argument("--data", type=Path, default=Path("witness-data"), help="its folder (default: witness-data)")
    refused.set_defaults(command=_refused)


def _own(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--name", required=True, help="yours, as it stands in cosignatures, such as auditor.example.org"
    )
    parser.add_argument("--data", type=Path, default=Path("witness-data"), help="its folder (default: witness-data)")


def _serve(given: argparse.Namespace) -> int:
    from biometric_flow.witness.app import run

    return run(given.data, given.name, given.log, given.host, given.port)


def _key_line(given: argparse.Namespace) -> int:
    from biometric_flow.witness.app import KEY_FILE

    key = Cosigner(given.name, signing_key(usable_folder(given.data) / KEY_FILE)).public
    Screen().say(f"witness {given.name} {key} {given.url}")
    return 0


def _refused(given: argparse.Namespace) -> int:
    from biometric_flow.witness.app import STATE_FILE
    from biometric_flow.witness.seen import Seen

    screen, seen = Screen(), Seen(usable_folder(given.data) / STATE_FILE)
    found = seen.refusals()
    for origin, reason, at, note in found:
        screen.say(f"{at} {origin}: {reason}\n{note}")
    seen.close()
    return 1 if found else 0


def _key(text: str) -> PublicKey:
    try:
        return PublicKey.parse(text)
    except KeyTextInvalid as error:
        raise argparse.ArgumentTypeError(str(error)) from None
