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
python3 - "$published" "$work" "$keys" > "$work/header" <<'PYTHON'
import base64, decimal, json, pathlib, re, sys
from datetime import datetime

def check(holds, problem):
    if not holds:
        sys.exit("not valid: " + problem)

def once(members):
    check(len(dict(members)) == len(members), "a member stands twice, which has two meanings")
    return dict(members)

# The bytes of RFC 8785. Names stand in the order of their UTF-16 units; a double has the shortest digits that tell it from all others, in
# Python as in ECMAScript, which writes no exponent from 0.000001 on.
def canonical(value, depth=0):
    global values
    values += 1
    check(not isinstance(value, (dict, list)) or depth <= 16, "nests deeper than 16")
    if isinstance(value, dict):
        names = sorted(value, key=lambda name: name.encode("utf-16-be"))
        return "{%s}" % ",".join(text(name) + ":" + canonical(value[name], depth + 1) for name in names)
    if isinstance(value, list):
        return "[%s]" % ",".join(canonical(one, depth + 1) for one in value)
    if isinstance(value, float):
        check(abs(value) <= 2**53 - 1, "a number is beyond 2^53-1, which others round")
        digits = repr(int(value)) if value == int(value) else repr(value)
        return digits.replace("e-0", "e-") if abs(value) < 1e-6 else format(decimal.Decimal(digits), "f")
    return text(value)

def text(value):
    check(not isinstance(value, str) or not re.search("[\ud800-\udfff]", value), "half of a surrogate pair is no character")
    return json.dumps(value, ensure_ascii=False)

def parse(encoded):
    global values
    values = 0
    check(len(encoded) <= 2**20, "has more than 1 MiB")
    check(not encoded.startswith(b"\xef\xbb\xbf"), "begins with a byte order mark; expected UTF-8 without one")
    # Numbers as doubles, as JavaScript has them: 15842.0 is 15842.
    found = json.loads(encoded.decode(), object_pairs_hook=once, parse_int=float)
    check(isinstance(found, dict), "is not an object")
    canonical(found)
    check(values <= 65545, "has more than 65,545 values")
    return found

# Base64url in its one form: others forgive padding, white space, and bits behind the last byte.
def decode(part):
    data = base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
    check(part and base64.urlsafe_b64encode(data).rstrip(b"=").decode() == part, "the signature is not base64url without padding")
    return data

def is_text(value, form):
    return isinstance(value, str) and re.fullmatch(form, value)

def is_whole(value, least, most):
    return isinstance(value, float) and value == int(value) and least <= value <= most

def is_time(value):
    form = "[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z"
    return is_text(value, form) and datetime.strptime(value, "%Y-%m-%dT%H:%M:%SZ").year >= 1970

IDENTIFIER = "[A-Za-z0-9][A-Za-z0-9._:-]{0,127}"
FORMS = {
    "checkpoint_id": lambda value: is_text(value, IDENTIFIER),
    "ledger_id": lambda value: is_text(value, IDENTIFIER),
    "timestamp": is_time,
    "cumulative_hash": lambda value: is_text(value, "sha256:[0-9a-f]{64}"),
    "entry_count": lambda value: is_whole(value, 0, 2**53 - 1),
    "total_volume": lambda value: is_whole(value, 1 - 2**53, 2**53 - 1),
    "organization_summaries": lambda value: isinstance(value, list) and all(isinstance(one, dict) for one in value),
    "signature": lambda value: isinstance(value, str) and len(value) <= 4096,
}

# Names that no key may have: what could be taken for a fingerprint or a thumbprint.
HASH = "(?:sha|shake|blake|md)[-_]?[0-9]"
LIKE_FINGERPRINT = (
    f"fingerprint|thumbprint|(?:^|:){HASH}.*:|(?:^|[:.])(?:[a-z0-9_-]{{43}}(?=$|[:.])|(?={HASH})[a-z0-9_-]{{44,}})"
    "|[0-9a-f]{40}|^(?:[0-9a-f][-:._]*){40,}$"
)

try:
    work = pathlib.Path(sys.argv[2])
    checkpoint = parse(pathlib.Path(sys.argv[1]).read_bytes())
    for name, has_form in FORMS.items():
        check(has_form(checkpoint.get(name)), name + " is missing, or has not its form")
    parts = checkpoint.pop("signature").split(".")
    check(len(parts) == 3 and parts[1] == "", "the signature is not detached: expected header..signature")
    payload = canonical(checkpoint).encode()
    check(len(payload) <= 2**19, "the content is too large")
    signed = parts[0].encode() + b"." + base64.urlsafe_b64encode(payload).rstrip(b"=")
    (work / "signed").write_bytes(signed)
    (work / "signature").write_bytes(decode(parts[2]))
    fields = parse(decode(parts[0]))
    check(fields.get("typ") == "ledger-checkpoint+jws", "it is signed as something else")
    check(fields.get("alg") in ("PS256", "RS256"), "alg of the header is not PS256 or RS256")
    check(is_whole(fields.get("iat"), -8334601228800, 8210266876799), "iat of the header is not a time in whole seconds")
    check(not {"crit", "b64"} & fields.keys(), "the header asks for an extension")
    check(is_text(fields.get("kid"), IDENTIFIER), "kid is not the name of a key")
    for name in (fields["kid"], *re.findall("^# ([^ \n]+)", pathlib.Path(sys.argv[3]).read_text(), re.MULTILINE)):
        check(not re.search(LIKE_FINGERPRINT, name, re.IGNORECASE), "a key is named like a fingerprint")
    print(fields["alg"], int(fields["iat"]), fields["kid"])
except (ValueError, RecursionError) as error:
    sys.exit("not valid: " + str(error))
PYTHON
read -r alg iat kid < "$work/header"

# Of several keys, the one that the header names: it stands there once.
awk -v kid="$kid" '$1 == "#" { take = ($2 == kid) } take' "$keys" > "$work/key.pem"
if [ "$(grep -c '^#' "$work/key.pem")" != 1 ] || [ "$(grep -c BEGIN "$work/key.pem")" != 1 ]; then
    echo "not valid: expected one key $kid in $keys" >&2
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
if len((work / "signature").read_bytes()) != (n.bit_length() + 7) // 8:
    sys.exit("not valid: Verification failure: the signature is not as long as the key, and openssl reads no more of it")
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
