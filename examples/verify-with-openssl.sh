#!/bin/sh
# Verifies a published checkpoint with openssl and Python's standard library, and nothing of the signer's.
#
#   sh verify-with-openssl.sh PUBLISHED.json KEYS.pem [FINGERPRINT]
#
# KEYS.pem is what `checkpoint-signer keys export --format pem` prints: before each key a line with its name, algorithm, window
# (seconds since 1970) and fingerprint. FINGERPRINT is that of the key that signed, if you noted it before; it follows no
# endorsements. PEM has no revocations: ask /v1/keys. Exit code 0: the signature is right, and inside of the key's window; 1: it is
# not; 2: nothing was verified.
set -eu
if [ $# -lt 2 ] || [ $# -gt 3 ] || [ ! -r "$1" ] || [ ! -r "$2" ]; then
    echo "expected two files that can be read, and at most a fingerprint: PUBLISHED.json KEYS.pem [FINGERPRINT]" >&2
    exit 2
fi
published=$1 keys=$2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# Takes the published object apart into what was signed (RFC 7515, section 5.1) and the signature.
# json.dumps as it is used here gives the bytes of RFC 8785, as long as all numbers are integers and all names
# of members are ASCII; fractions and other names need a library (see verify_with_python.py).
python3 - "$published" "$work" > "$work/header" <<'PYTHON'
import base64, json, pathlib, re, sys

def check(holds, problem):
    if not holds:
        sys.exit("not valid: " + problem)

def once(members):
    check(len(dict(members)) == len(members), "a member stands twice, which has two meanings")
    return dict(members)

def decode(part):
    check(re.fullmatch("[A-Za-z0-9_-]+", part), "the signature is not base64url without padding")
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))

published, work = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
text = published.read_text(encoding="utf-8")
check(not text.startswith("\ufeff"), "begins with a byte order mark; expected UTF-8 without one")
checkpoint = json.loads(text, object_pairs_hook=once)
parts = checkpoint.pop("signature").split(".")
check(len(parts) == 3 and parts[1] == "", "the signature is not detached: expected header..signature")
header, _, signature = parts
payload = json.dumps(checkpoint, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
signed = header.encode() + b"." + base64.urlsafe_b64encode(payload).rstrip(b"=")
(work / "signed").write_bytes(signed)
(work / "signature").write_bytes(decode(signature))
fields = json.loads(decode(header))
check(fields["typ"] == "ledger-checkpoint+jws", "it is signed as something else")
print(fields["alg"], fields["iat"], fields["kid"])
PYTHON
read -r alg iat kid < "$work/header"

# Of several keys, the one that the header names: it stands there once.
awk -v kid="$kid" '$1 == "#" { take = ($2 == kid) } take' "$keys" > "$work/key.pem"
if [ "$(grep -c '^#' "$work/key.pem")" != 1 ] || [ "$(grep -c BEGIN "$work/key.pem")" != 1 ]; then
    echo "not valid: expected one key $kid in $keys" >&2
    exit 1
fi
if grep '^#' "$keys" | cut -d ' ' -f 2 | grep -Eiq '^(.*:)?[[:alnum:]_-]{43}$|[0-9a-f]{40}|^sha-?[0-9]+:|thumbprint|fingerprint'; then
    echo "not valid: a key is named like a fingerprint" >&2
    exit 1
fi
if [ -n "$(awk '/^#/ { next } /BEGIN/ { print key; key = "" } { key = key $0 } END { print key }' "$keys" | sort | uniq -d)" ]; then
    echo "not valid: one key of $keys has two names" >&2
    exit 1
fi
read -r _ _ key_alg nbf exp _ < "$work/key.pem"

# The fingerprint: SHA-256 over the RFC 8785 form of the JWK, whose numbers are in base64url.
openssl rsa -pubin -in "$work/key.pem" -noout -modulus > "$work/modulus"
openssl rsa -pubin -in "$work/key.pem" -noout -text > "$work/text"
python3 - "$work" "$kid" "$key_alg" "$nbf" "$exp" > "$work/fingerprint" <<'PYTHON'
import base64, hashlib, json, pathlib, re, sys

work, kid, alg, nbf, exp = pathlib.Path(sys.argv[1]), *sys.argv[2:]
n = int((work / "modulus").read_text().split("=")[1], 16)
e = int(re.search(r"Exponent: (\d+)", (work / "text").read_text())[1])
n, e = (base64.urlsafe_b64encode(x.to_bytes((x.bit_length() + 7) // 8, "big")).rstrip(b"=").decode() for x in (n, e))
jwk = {"alg": alg, "e": e, "exp": int(exp), "kid": kid, "kty": "RSA", "n": n, "nbf": int(nbf), "use": "sig"}
text = json.dumps(jwk, sort_keys=True, separators=(",", ":"))
print("sha256:" + hashlib.sha256(text.encode()).hexdigest())
PYTHON
fingerprint=$(cat "$work/fingerprint")

echo "key $kid ($fingerprint), signed at $iat seconds since 1970"
if [ $# = 3 ] && [ "$3" != "$fingerprint" ]; then
    echo "not valid: it was not signed by the pinned key" >&2
    exit 1
fi
if [ "$alg" != "$key_alg" ]; then
    echo "not valid: $kid signs with $key_alg only" >&2
    exit 1
fi
if [ "$iat" -lt "$nbf" ] || [ "$iat" -ge "$exp" ]; then
    echo "not valid: signed outside of the key's window" >&2
    exit 1
fi
case $alg in
PS256) set -- -sigopt rsa_padding_mode:pss -sigopt rsa_pss_saltlen:32 -sigopt rsa_mgf1_md:sha256 ;;
RS256) set -- ;;
*) echo "unknown algorithm $alg" >&2 && exit 2 ;;
esac
openssl dgst -sha256 -verify "$work/key.pem" "$@" -signature "$work/signature" "$work/signed"
