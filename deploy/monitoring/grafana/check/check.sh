#!/usr/bin/env bash
# Checks the dashboards against the types of Grafana, in a folder that may be thrown away. Ends with 3 where npm
# cannot fetch the types.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
folder=${1:-$(mktemp -d)}
cp "$here/package.json" "$here/package-lock.json" "$here/tsconfig.json" "$here/dashboard.ts" "$folder"
for path in "$here"/../dashboards/*.json; do # types are checked in literals only, not in imported JSON
    {
        echo 'import type { Known } from "./dashboard";'
        echo "export const dashboard = $(cat "$path") satisfies Known;"
    } >"$folder/$(basename "$path" .json).ts"
done
cd "$folder"
npm ci --ignore-scripts --no-audit --no-fund --silent || exit 3
node_modules/.bin/tsc
