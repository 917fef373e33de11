#!/bin/sh
# Style that a machine can check. Prints every finding; exits 1 if there is one.
set -u
: "${SWIFT:=swift}"
status=0

# Longer than 500 lines with a reason: one file per line.
long_on_purpose=""

fail() {
  echo "lint: $1" >&2
  status=1
}

swift_sources=""
for path in Package.swift Sources Tests lua Benchmarks; do
  if [ -e "$path" ]; then swift_sources="$swift_sources $path"; fi
done
# shellcheck disable=SC2086
"$SWIFT" format lint --strict --recursive --parallel $swift_sources || fail "run: $SWIFT format -i -r$swift_sources"

# Everything that people wrote. Fixtures are bad on purpose, and neighbours of a source may be editors' droppings.
written=$(find . \( -name '.build*' -o -name .git -o -name .swiftpm -o -name Fixtures -o -name __pycache__ \) -prune -o \
  -type f \( -name '*.swift' -o -name '*.lua' -o -name '*.c' -o -name '*.h' -o -name '*.py' -o -name '*.sh' \
  -o -name '*.yaml' -o -name '*.md' -o -name '*.proto' -o -name Makefile -o -path './.ci/*' \) -print | sort)

for file in $written; do
  case "$file" in
    *.pb.swift | *.md) ;;
    *)
      lines=$(wc -l <"$file")
      if [ "$lines" -gt 500 ]; then
        case " $long_on_purpose " in
          *" ${file#./} "*) ;;
          *) fail "$file has $lines lines, more than 500: split it by idea" ;;
        esac
      fi ;;
  esac
done

# shellcheck disable=SC2086
if grep -nE '[[:blank:]]+$' $written /dev/null; then fail "blanks at the end of the lines above"; fi
# shellcheck disable=SC2086
if grep -nwE 'T[O]DO|FIX[M]E' $written /dev/null; then fail "unfinished work above: do it, or open an issue"; fi

if command -v python3 >/dev/null 2>&1; then
  python3 deploy/examples/generate.py --out - | cmp -s - deploy/examples/marketplace.ndjson ||
    fail "deploy/examples/marketplace.ndjson is not what generate.py makes: run make examples"
fi

exit "$status"
