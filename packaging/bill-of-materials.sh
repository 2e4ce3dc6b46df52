#!/usr/bin/env bash
# Writes the software bill of materials of what is built, in CycloneDX's JSON: each crate that ends in the binaries or helps to build
# them, with its licence and the checksum cargo holds it to.
set -euo pipefail
cd "$(dirname "$0")/.."

target=$(rustc -vV | sed -n 's/^host: //p')
checksums=$(awk -F'"' '
    /^name = / { name = $2 } /^version = / { version = $2 } /^checksum = / { print name "@" version "\t" $2 }
' Cargo.lock | jq --raw-input --null-input '[inputs / "\t" | {key: .[0], value: .[1]}] | from_entries')

cargo metadata --locked --format-version 1 --filter-platform "$target" | jq --sort-keys --argjson checksums "$checksums" \
    --arg time "$(date --utc --date "@${SOURCE_DATE_EPOCH:?the time of the commit}" +%Y-%m-%dT%H:%M:%SZ)" '
    (.packages | map({key: .id, value: .}) | from_entries) as $packages
    | (.resolve.nodes | map({key: .id, value: [.deps[] | select(any(.dep_kinds[]; .kind != "dev")) | .pkg]}) | from_entries) as $uses
    | .resolve.root as $root
    # Everything that is reached from the root without passing a development dependency.
    | ({seen: [$root], next: [$root]}
        | until(.next == []; .seen as $seen
            | ([.next[] | $uses[.][]] | unique | map(select(IN($seen[]) | not))) as $new
            | {seen: ($seen + $new), next: $new})
        | .seen) as $reached
    | def name: $packages[.] | "pkg:cargo/\(.name)@\(.version)";
      def component: $packages[.] as $package | {
          type: "library", "bom-ref": name, name: $package.name, version: $package.version, purl: name,
          licenses: [{expression: ($package.license | gsub(" */ *"; " OR "))}],
          hashes: [$checksums["\($package.name)@\($package.version)"] | select(.) | {alg: "SHA-256", content: .}]
      };
    {
        bomFormat: "CycloneDX", specVersion: "1.5", version: 1,
        metadata: {timestamp: $time, component: ($root | component + {type: "application"})},
        components: [$reached[] | select(. != $root) | component] | sort_by(."bom-ref"),
        dependencies: [$reached[] | {ref: name, dependsOn: ([$uses[.][] | name] | unique)}] | sort_by(.ref)
    }'
