#!/bin/sh
# The OpenAPI document under two linters, and through a generator of types. From the project's folder, by `make check`.
set -eu
here=ops/openapi
to=build/openapi
mkdir -p "$to"
PATH="$PWD/.venv/bin:$PATH"
export REDOCLY_TELEMETRY=off NO_UPDATE_NOTIFIER=1 npm_config_update_notifier=false
if ! cmp -s "$here/package-lock.json" "$to/package-lock.json"; then
  cp "$here/package.json" "$here/package-lock.json" "$to/"
  npm ci --prefix "$to" --no-audit --no-fund --ignore-scripts --loglevel=error || { rm -f "$to/package-lock.json"; exit 1; }
fi
bin=$to/node_modules/.bin
python -m webapp.openapi >"$to/openapi.json"
"$bin/redocly" lint --extends=recommended "$to/openapi.json"
"$bin/spectral" lint --fail-severity=warn --ruleset "$here/spectral.yaml" "$to/openapi.json"
"$bin/openapi-typescript" "$to/openapi.json" --default-non-nullable false --output "$to/openapi.d.ts"
"$bin/tsc" --noEmit --strict --skipLibCheck --target es2022 --moduleResolution bundler --module esnext "$here/try.ts"
