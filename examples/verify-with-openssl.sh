#!/bin/sh
# Verifies a published checkpoint with openssl and Python's standard library, and nothing of the signer's.
#
#   sh verify-with-openssl.sh PUBLISHED.json KEYS.pem
#
# KEYS.pem is what `checkpoint-signer keys export --format pem` prints. Exit code 0: the signature is right.
# Then compare the signing time that is shown with the window of the key: PEM has no windows.
set -eu
published=$1 keys=$2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# Takes the published object apart into what was signed (RFC 7515, section 5.1) and the signature.
# json.dumps as it is used here gives the bytes of RFC 8785, as long as all numbers are integers and all names
# of members are ASCII; fractions and other names need a library (see verify_with_python.py).
python3 - "$published" "$work" > "$work/header" <<'PYTHON'
import base64, json, pathlib, sys

def check(holds, problem):
    if not holds:
        sys.exit("not valid: " + problem)

def once(members):
    check(len(dict(members)) == len(members), "a member stands twice, which has two meanings")
    return dict(members)

def decode(part):
    return base64.b64decode(part + "=" * (-len(part) % 4), altchars=b"-_", validate=True)

published, work = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
checkpoint = json.loads(published.read_text(encoding="utf-8"), object_pairs_hook=once)
header, empty, signature = checkpoint.pop("signature").split(".")
check(empty == "", "the signature is not detached")
payload = json.dumps(checkpoint, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
signed = header.encode() + b"." + base64.urlsafe_b64encode(payload).rstrip(b"=")
(work / "signed").write_bytes(signed)
(work / "signature").write_bytes(decode(signature))
fields = json.loads(decode(header))
check(fields["typ"] == "ledger-checkpoint+jws", "it is signed as something else")
print(fields["alg"], fields["iat"], fields["kid"])
PYTHON
read -r alg iat kid < "$work/header"

# Of several keys, the one that the header names.
awk -v kid="$kid" 'BEGIN { take = 1 } $1 == "#" { take = ($2 == kid) } take' "$keys" > "$work/key.pem"

echo "key $kid, signed at $iat seconds since 1970"
case $alg in
PS256) set -- -sigopt rsa_padding_mode:pss -sigopt rsa_pss_saltlen:32 -sigopt rsa_mgf1_md:sha256 ;;
RS256) set -- ;;
*) echo "unknown algorithm $alg" >&2 && exit 2 ;;
esac
openssl dgst -sha256 -verify "$work/key.pem" "$@" -signature "$work/signature" "$work/signed"
