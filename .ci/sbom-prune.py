"""Keeps of a bill of materials what `cargo tree` says is linked, and names the root and the workspace's crates by their package URLs: no path of the machine.

cargo-cyclonedx asks `cargo metadata`, which has every optional dependency that any feature of any crate could turn on
(ring among them) and the procedural macros; `cargo tree` has the features that the binary is built with.
"""

import json
import sys

path, tree = sys.argv[1], sys.argv[2].splitlines()
linked = {tuple(line.split()[:2]) for line in tree if line}
with open(path, encoding="utf-8") as file:
    bom = json.load(file)

root = bom["metadata"]["component"]
url = f"pkg:cargo/{root['name']}@{root['version']}"
old = root["bom-ref"]
root["bom-ref"] = root["purl"] = url
root.pop("components")
bom["components"] = [c for c in bom["components"] if (c["name"], f"v{c['version']}") in linked]

# The reference of a crate of the workspace has a path in it.
names = {old: url}
for component in bom["components"]:
    if component["bom-ref"].startswith("path+file:"):
        ours = f"pkg:cargo/{component['name']}@{component['version']}"
        names[component["bom-ref"]] = ours
        component["bom-ref"] = component["purl"] = ours

known = {c["bom-ref"] for c in bom["components"]} | {url}
rename = lambda reference: names.get(reference, reference)
dependencies = []
for entry in bom["dependencies"]:
    if rename(entry["ref"]) in known:
        on = [rename(d) for d in entry.get("dependsOn", []) if rename(d) in known]
        dependencies.append({"ref": rename(entry["ref"]), "dependsOn": on})
bom["dependencies"] = dependencies

missing = linked - {(c["name"], f"v{c['version']}") for c in bom["components"]}
missing.discard((root["name"], f"v{root['version']}"))
if missing:
    sys.exit(f"sbom-prune: cargo tree has crates that the bill of materials lacks: {sorted(missing)}")

with open(path, "w", encoding="utf-8") as file:
    json.dump(bom, file, indent=2, ensure_ascii=False)
    file.write("\n")
