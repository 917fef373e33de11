#!/bin/sh
# Installs what a build needs beside Swift, with `test` what its tests need as well, with `bench` what counts
# instructions: only what is missing, from Debian's or Ubuntu's archive. Never asks a question, and never starts or
# enables a service.
set -eu

missing=""
[ -e /usr/include/hiredis/hiredis.h ] || [ -e /usr/local/include/hiredis/hiredis.h ] || missing="$missing libhiredis-dev"
command -v redis-server >/dev/null 2>&1 || missing="$missing redis-server"
command -v redis-benchmark >/dev/null 2>&1 || missing="$missing redis-tools"
if ! command -v python3 >/dev/null 2>&1; then
  missing="$missing python3 python3-yaml"
elif ! python3 -c 'import yaml' >/dev/null 2>&1; then
  missing="$missing python3-yaml"
fi
if [ "${1:-}" = test ]; then
  # Debian's prometheus brings promtool, which the tests hold the metrics against; curl asks for them.
  command -v promtool >/dev/null 2>&1 || missing="$missing prometheus"
  command -v curl >/dev/null 2>&1 || missing="$missing curl"
  # The fault tests make clusters with redis-cli, and take descriptors away from a running service.
  command -v redis-cli >/dev/null 2>&1 || case "$missing" in *redis-tools*) ;; *) missing="$missing redis-tools" ;; esac
  command -v prlimit >/dev/null 2>&1 || missing="$missing util-linux"
  # The dashboard's tests look at it in a real browser.
  command -v chromium >/dev/null 2>&1 || command -v google-chrome >/dev/null 2>&1 ||
    command -v chromium-browser >/dev/null 2>&1 || missing="$missing chromium fonts-dejavu-core"
fi
if [ "${1:-}" = bench ]; then
  # Counts instructions; Debian's package has vgdb too. strip takes away what it cannot read.
  command -v valgrind >/dev/null 2>&1 || missing="$missing valgrind"
  command -v strip >/dev/null 2>&1 || missing="$missing binutils"
fi
[ -n "$missing" ] || exit 0

if ! command -v apt-get >/dev/null 2>&1; then
  echo "deps: missing, and there is no apt-get to install it with:$missing (Debian's names)" >&2
  exit 1
fi

as_root=""
if [ "$(id -u)" -ne 0 ]; then
  # -n: fail rather than ask for a password.
  if ! command -v sudo >/dev/null 2>&1 || ! sudo -n true 2>/dev/null; then
    echo "deps: missing:$missing" >&2
    echo "deps: as root, run: apt-get install --no-install-recommends$missing" >&2
    exit 1
  fi
  as_root="sudo -n"
fi

# Debian asks this file whether a freshly installed service may start; 101 says no.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
  trap '$as_root rm -f "$policy"' EXIT
  trap 'exit 1' HUP INT TERM
  printf '#!/bin/sh\nexit 101\n' | $as_root tee "$policy" >/dev/null
  $as_root chmod 755 "$policy"
fi

echo "deps: installing$missing"
$as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=120 update ||
  echo "deps: the package lists could not be refreshed; trying with those at hand" >&2
# The names are words of one list on purpose.
# shellcheck disable=SC2086
$as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq -y -o DPkg::Lock::Timeout=120 \
  install --no-install-recommends $missing </dev/null

# Not started now, and not at the next boot either.
if [ -d /run/systemd/system ]; then
  case "$missing" in *redis-server*) $as_root systemctl --quiet disable redis-server.service || true ;; esac
  case "$missing" in *prometheus*) $as_root systemctl --quiet disable prometheus.service || true ;; esac
fi

if ! python3 -c 'import yaml' >/dev/null 2>&1; then
  echo "deps: $(command -v python3) has no PyYAML, Debian's python3 has: put /usr/bin first, or pip install pyyaml" >&2
  exit 1
fi
