"""Verifies proofs by RFC 9162, sections 2.1.3.2 and 2.1.4.2, with nothing but hashlib.

Reads a case a line, as JSON, and prints "yes" or "no" for each. Hashes are hexadecimal. Written from the RFC's text, not from
the service's code.
"""

import hashlib
import json
import sys


def node(left, right):
    return hashlib.sha256(b"\x01" + left + right).digest()


def included(leaf, leaf_index, tree_size, path, root):
    if leaf_index >= tree_size:
        return False
    fn, sn, r = leaf_index, tree_size - 1, leaf
    for p in path:
        if sn == 0:
            return False
        if fn & 1 or fn == sn:
            r = node(p, r)
            if not fn & 1:
                while True:
                    fn, sn = fn >> 1, sn >> 1
                    if fn & 1 or fn == 0:
                        break
        else:
            r = node(r, p)
        fn, sn = fn >> 1, sn >> 1
    return sn == 0 and r == root


def consistent(first, first_hash, second, second_hash, path):
    # The RFC has proofs for 0 < first < second; the rest needs none.
    if first > second:
        return False
    if first == second:
        return not path and first_hash == second_hash
    if first == 0:
        return not path and first_hash == hashlib.sha256(b"").digest()
    if not path:
        return False
    if first & (first - 1) == 0:
        path = [first_hash] + path
    fn, sn = first - 1, second - 1
    while fn & 1:
        fn, sn = fn >> 1, sn >> 1
    fr = sr = path[0]
    for c in path[1:]:
        if sn == 0:
            return False
        if fn & 1 or fn == sn:
            fr, sr = node(c, fr), node(c, sr)
            if not fn & 1:
                while True:
                    fn, sn = fn >> 1, sn >> 1
                    if fn & 1 or fn == 0:
                        break
        else:
            sr = node(sr, c)
        fn, sn = fn >> 1, sn >> 1
    return sn == 0 and fr == first_hash and sr == second_hash


def main():
    for line in sys.stdin:
        case = json.loads(line)
        path = [bytes.fromhex(h) for h in case["proof"]]
        root = bytes.fromhex(case["root"])
        if "leaf" in case:
            leaf = bytes.fromhex(case["leaf"])
            good = included(leaf, case["position"] - 1, case["rows"], path, root)
        elif "published" in case:
            leaf = hashlib.sha256(b"\x00" + case["published"].encode()).digest()
            good = included(leaf, case["position"] - 1, case["rows"], path, root)
        else:
            from_root = bytes.fromhex(case["from_root"])
            good = consistent(case["from"], from_root, case["rows"], root, path)
        print("yes" if good else "no")


main()
