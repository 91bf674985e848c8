#!/usr/bin/env python3
"""Checks what `keelson prove` gives, with public keys alone. Python 3.8 or newer, nothing else; no code of Keelson.

    check_proof.py KEYS EVENT.tlog-proof             an event stands in the journal
    check_proof.py KEYS GROWTH.proof OLD.checkpoint  a newer checkpoint continues an older one
    check_proof.py KEYS SOME.checkpoint              a checkpoint is signed

KEYS is a file of public keys, one a line, that reached you by a way of its own. Exit code 0: it holds; 1: it does not;
2: called wrongly. docs/checkpoints.md says each step in words.
"""

import base64
import hashlib
import json
import sys


class Wrong(Exception):
    """What is given does not hold, and why."""


# --- the tree: RFC 6962 and RFC 9162 -----------------------------------------


def sha256(data):
    return hashlib.sha256(data).digest()


def leaf_of(position, event_hash):
    return sha256(b"\x00" + position.to_bytes(8, "big") + event_hash)


def node_of(left, right):
    return sha256(b"\x01" + left + right)


def root_of_inclusion(index, size, leaf, path):
    """RFC 9162, 2.1.3.2: the root that a leaf's path leads to."""
    here, last, root = index, size - 1, leaf
    for sibling in path:
        if last == 0:
            raise Wrong("the path is too long")
        if here & 1 or here == last:
            root = node_of(sibling, root)
            while not here & 1 and here:
                here, last = here >> 1, last >> 1
        else:
            root = node_of(root, sibling)
        here, last = here >> 1, last >> 1
    if last:
        raise Wrong("the path is too short")
    return root


def roots_of_consistency(old_size, new_size, old_root, path):
    """RFC 9162, 2.1.4.2: the older and the newer root that a path leads to."""
    here, last = old_size - 1, new_size - 1
    while here & 1:
        here, last = here >> 1, last >> 1
    if here == 0:
        path = [old_root] + path
    if not path:
        raise Wrong("the path is too short")
    old = new = path[0]
    for step in path[1:]:
        if last == 0:
            raise Wrong("the path is too long")
        if here & 1 or here == last:
            old, new = node_of(step, old), node_of(step, new)
            while not here & 1 and here:
                here, last = here >> 1, last >> 1
        else:
            new = node_of(new, step)
        here, last = here >> 1, last >> 1
    if last:
        raise Wrong("the path is too short")
    return old, new


# --- texts: c2sp.org/signed-note, tlog-checkpoint, tlog-proof ----------------


def decoded(text):
    data = base64.b64decode(text, validate=True)
    if base64.b64encode(data).decode() != text:
        raise Wrong("this is not how base64 is written: " + text)
    return data


def count(text):
    if not text.isascii() or not text.isdigit() or (text != "0" and text[0] == "0"):
        raise Wrong("this is no number: " + text)
    return int(text)


def hashes(lines):
    path = [decoded(line) for line in lines]
    if any(len(one) != 32 for one in path):
        raise Wrong("a hash has 32 bytes")
    return path


def read_keys(text):
    """{(name, id): key} of lines `<name>+<id in hex>+<base64 of 0x01 and 32 bytes>`."""
    keys = {}
    for line in text.splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        name, key_id, encoded = line.strip().split("+", 2)
        data = decoded(encoded)
        if len(data) != 33 or data[0] != 1:
            raise Wrong("this is no Ed25519 key: " + line)
        if sha256(name.encode() + b"\n" + data)[:4].hex() != key_id:
            raise Wrong("this key has the id of another one: " + line)
        keys[(name, key_id)] = data[1:]
    return keys


def read_checkpoint(note, keys):
    """(origin, size, root) of a note that one of the keys signed."""
    if "\n\n" not in note or not note.endswith("\n"):
        raise Wrong("this is no signed note")
    text, signatures = note[: note.rindex("\n\n") + 1], note[note.rindex("\n\n") + 2 :]
    origin, size, root = text.split("\n")[:3]
    signed = False
    for line in signatures[:-1].split("\n"):
        dash, name, encoded = line.split(" ")
        if dash != "\u2014":
            raise Wrong("this is no line of a signature: " + line)
        data = decoded(encoded)
        key = keys.get((name, data[:4].hex()))
        if key is None:
            continue  # Of somebody else, such as a witness.
        if not ed25519_holds(key, text.encode(), data[4:]):
            raise Wrong("the signature of " + name + " does not hold")
        signed = signed or name == origin
    if not signed:
        raise Wrong("none of the keys signed this checkpoint")
    (root,) = hashes([root])
    return origin, count(size), root


# --- signatures: RFC 8032, 5.1.7 ---------------------------------------------

P = 2**255 - 19
ORDER = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, -1, P) % P
ROOT_OF_MINUS_1 = pow(2, (P - 1) // 4, P)


def add(p, q):
    """Points as (X, Y, Z, T) with x = X/Z, y = Y/Z, xy = T/Z."""
    a, b = (p[1] - p[0]) * (q[1] - q[0]) % P, (p[1] + p[0]) * (q[1] + q[0]) % P
    c, d = 2 * p[3] * q[3] * D % P, 2 * p[2] * q[2] % P
    e, f, g, h = b - a, d - c, d + c, b + a
    return (e * f % P, g * h % P, f * g % P, e * h % P)


def times(scalar, point):
    total = (0, 1, 1, 0)
    while scalar:
        if scalar & 1:
            total = add(total, point)
        point, scalar = add(point, point), scalar >> 1
    return total


def point_of(data):
    """The point that 32 bytes stand for, or None."""
    y = int.from_bytes(data, "little")
    sign, y = y >> 255, y & (2**255 - 1)
    if y >= P:
        return None
    square = (y * y - 1) * pow(D * y * y + 1, -1, P) % P
    x = pow(square, (P + 3) // 8, P)
    if (x * x - square) % P:
        x = x * ROOT_OF_MINUS_1 % P
    if (x * x - square) % P or (x == 0 and sign):
        return None
    if x & 1 != sign:
        x = P - x
    return (x, y, 1, x * y % P)


BASE = point_of((4 * pow(5, -1, P) % P).to_bytes(32, "little"))


def ed25519_holds(key, message, signature):
    if len(signature) != 64:
        return False
    public, commitment = point_of(key), point_of(signature[:32])
    s = int.from_bytes(signature[32:], "little")
    if public is None or commitment is None or s >= ORDER:
        return False
    challenge = int.from_bytes(hashlib.sha512(signature[:32] + key + message).digest(), "little") % ORDER
    one, other = times(s, BASE), add(commitment, times(challenge, public))
    return (one[0] * other[2] - other[0] * one[2]) % P == 0 and (one[1] * other[2] - other[1] * one[2]) % P == 0


# --- what is asked -----------------------------------------------------------


def check(keys, text, old_note):
    if text.startswith("c2sp.org/tlog-proof@v1\n"):
        head, note = text.split("\n\n", 1)
        _, extra, index, *path = head.split("\n")
        if not extra.startswith("extra ") or not index.startswith("index "):
            raise Wrong("the proof lacks its event or its index")
        event, index = decoded(extra[6:]), count(index[6:])
        origin, size, root = read_checkpoint(note, keys)
        if index >= size:
            raise Wrong("the event stands behind what the checkpoint covers")
        leaf = leaf_of(index + 1, sha256(event))
        if root_of_inclusion(index, size, leaf, hashes(path)) != root:
            raise Wrong("the path does not lead to the signed root")
        said = json.loads(event)
        return f"{said['eventId']} stands at position {index + 1} of the {size} events that {origin} signed"
    if text.startswith("old "):
        head, note = text.split("\n\n", 1)
        first, *path = head.split("\n")
        if old_note is None:
            raise Wrong("the older checkpoint is needed too")
        origin, size, root = read_checkpoint(note, keys)
        old_origin, old_size, old_root = read_checkpoint(old_note, keys)
        if old_origin != origin or old_size != count(first[4:]) or not 0 < old_size <= size:
            raise Wrong("the proof is not about this older checkpoint")
        if old_size == size:
            if path or old_root != root:
                raise Wrong("two checkpoints of the same size differ")
        elif roots_of_consistency(old_size, size, old_root, hashes(path)) != (old_root, root):
            raise Wrong("the path does not lead from the older root to the newer one")
        return f"the first {old_size} of the {size} events that {origin} signed are the same in both checkpoints"
    origin, size, _ = read_checkpoint(text, keys)
    return f"{origin} signed {size} events"


def read(path):
    with open(path, encoding="utf-8", newline="") as file:
        return file.read()


def main(arguments):
    if not 2 <= len(arguments) <= 3:
        print(__doc__, file=sys.stderr)
        return 2
    keys, text, *old = [read(path) for path in arguments]
    try:
        print("holds: " + check(read_keys(keys), text, old[0] if old else None))
        return 0
    except Wrong as wrong:
        print(f"does not hold: {wrong}", file=sys.stderr)
    except (ValueError, KeyError, TypeError) as broken:
        print(f"does not hold: it can't be read ({broken})", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
