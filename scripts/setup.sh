#!/usr/bin/env bash
# Installs the programs that the tests need and this Debian machine lacks:
#
#   scripts/setup.sh                   all of them
#   scripts/setup.sh chromium webkit   these
#
# It needs root only if something is missing. On another system, install the
# programs in the system's own way; the script then finds them.
set -euo pipefail

all="compiler redis nginx apache caddy haproxy systemd chromium firefox webkit node"

# found NAME: is it here?
found() {
	case $1 in
	compiler) command -v gcc && test -e /usr/include/stdlib.h ;; # for -race
	redis) command -v redis-server && command -v redis-cli ;;
	nginx) command -v nginx || test -x /usr/sbin/nginx ;;
	apache) command -v apache2 || test -x /usr/sbin/apache2 ;;
	caddy) command -v caddy ;;
	haproxy) command -v haproxy || test -x /usr/sbin/haproxy ;;
	systemd) command -v systemd-analyze ;; # reads the unit; nothing is started
	chromium) command -v chromium || command -v chromium-browser || command -v google-chrome ;;
	firefox) command -v firefox-esr || command -v firefox ;;
	webkit) command -v WebKitWebDriver && command -v xvfb-run && command -v xauth ;;
	node) # the page's types and packages: Vite needs this version
		command -v npm &&
			node -e 'const [a, b] = process.versions.node.split("."); process.exit(a > 20 || a == 20 && b > 18 ? 0 : 1)' ;;
	esac >/dev/null
}

# packages NAME: the Debian packages that bring it.
packages() {
	case $1 in
	compiler) echo gcc libc6-dev ;;
	redis) echo redis-server redis-tools ;;
	apache) echo apache2-bin ;; # without the service
	firefox) echo firefox-esr ;;
	webkit) echo webkit2gtk-driver xvfb xauth ;;
	node) echo nodejs npm ;;
	*) echo "$1" ;;
	esac
}

missing=()
for name in ${*:-$all}; do
	if [[ " $all " != *" $name "* ]]; then
		echo "setup.sh: \"$name\" is not known. Choose from: $all." >&2
		exit 2
	fi
	if ! found "$name"; then
		missing+=("$name")
	fi
done
if ((${#missing[@]} == 0)); then
	exit 0
fi

install=(apt-get install -y --no-install-recommends)
for name in "${missing[@]}"; do
	read -ra names <<<"$(packages "$name")"
	install+=("${names[@]}")
done
echo "setup.sh: missing: ${missing[*]}"
if ! command -v apt-get >/dev/null; then
	echo "setup.sh: apt-get is not here, so this is not Debian. Install in your system's way: ${missing[*]}." >&2
	exit 1
fi
if (($(id -u) != 0)); then
	echo "setup.sh: only root can install packages. Run: sudo apt-get update && sudo ${install[*]}" >&2
	exit 1
fi
export DEBIAN_FRONTEND=noninteractive
apt-get update
"${install[@]}"
for name in "${missing[@]}"; do
	if ! found "$name"; then
		echo "setup.sh: $(packages "$name") installed, but $name is still not found, or too old (node: 20.19)." >&2
		exit 1
	fi
done
