"""Decides what policies allow, as AWS does within one account ("Policy evaluation logic"), for what the templates use:
Effect, Principal, Action, Resource, and the condition operators below. What it does not know is an error, never a guess.
"""

import re


def matches(pattern, text):
    """AWS's wildcards: * for anything, ? for one character."""
    parts = {"*": ".*", "?": "."}
    expression = "".join(parts.get(char) or re.escape(char) for char in pattern)
    return re.fullmatch(expression, text, re.DOTALL) is not None


def as_list(value):
    return value if isinstance(value, list) else [value]


def arn_matches(pattern, arn):
    """Each of the six parts for itself: a wildcard does not reach over a colon of the first five."""
    pattern, arn = pattern.split(":", 5), arn.split(":", 5)
    return len(pattern) == len(arn) and all(map(matches, pattern, arn))


POSITIVE = {
    "StringEquals": lambda wanted, found: wanted == found,
    "StringLike": matches,
    "ArnEquals": arn_matches,
    "ArnLike": arn_matches,
    "Bool": lambda wanted, found: str(wanted).lower() == str(found).lower(),
}
# A negated operator holds where the positive one holds for none of the values, and where the key is missing.
NEGATED = {"StringNotEquals": "StringEquals", "ArnNotEquals": "ArnEquals", "ArnNotLike": "ArnLike"}


def condition_holds(condition, context):
    for operator, keys in condition.items():
        negated = operator in NEGATED
        test = POSITIVE[NEGATED.get(operator, operator)]
        for key, wanted in keys.items():
            # Names of condition keys do not depend on case.
            found = {name.lower(): value for name, value in context.items()}.get(key.lower())
            holds = found is not None and any(test(value, found) for value in as_list(wanted))
            if holds == negated:
                return False
    return True


def is_root(principal):
    return principal.startswith("arn:") and principal.endswith(":root")


def principal_holds(wanted, context):
    """Whether a statement names the caller: by itself, or as everybody."""
    if wanted == "*":
        return True
    for kind, names in wanted.items():
        caller = context.get("aws:PrincipalArn" if kind == "AWS" else "service")
        if any(name in ("*", caller) for name in as_list(names)):
            return True
    return False


KNOWN = {"Sid", "Effect", "Principal", "Action", "Resource", "Condition"}


def applies(statement, action, resource, context):
    unknown = set(statement) - KNOWN
    assert not unknown, f"{unknown} in a statement is not understood"
    return (
        any(matches(a.lower(), action.lower()) for a in as_list(statement["Action"]))
        # A role's trust policy has no resource.
        and any(matches(r, resource) for r in as_list(statement.get("Resource", "*")))
        and condition_holds(statement.get("Condition", {}), context)
    )


def effects(policies, action, resource, context, principal_holds=lambda wanted, context: True):
    statements = [s for policy in policies for s in as_list(policy["Statement"])]
    return {
        s["Effect"]
        for s in statements
        if applies(s, action, resource, context) and principal_holds(s.get("Principal"), context)
    }


def identity_allows(identity, resource_policies, action, resource, context):
    """Within one account, a role's own policies or the resource's are enough to allow, and each is enough to deny."""
    found = effects(identity, action, resource, context)
    found |= effects(resource_policies, action, resource, context, principal_holds)
    return "Allow" in found and "Deny" not in found


def key_allows(identity, key_policy, action, resource, context):
    """A KMS key's policy must allow: the caller itself, or the account, and then the caller's own policies count."""
    own = effects(identity, action, resource, context)
    named = effects([key_policy], action, resource, context, principal_holds)
    account = effects(
        [key_policy],
        action,
        resource,
        context,
        lambda wanted, _: isinstance(wanted, dict) and any(map(is_root, as_list(wanted.get("AWS", [])))),
    )
    if "Deny" in own | named:
        return False
    return "Allow" in named or ("Allow" in account and "Allow" in own)
