#!/bin/sh
# Runs before a removal ($1 is "remove" in a deb, 0 in an rpm) and an upgrade.
set -e
case "$1" in
remove | 0)
	if [ -d /run/systemd/system ]; then
		systemctl disable --now capture-keepalive.service || true
	fi
	;;
esac
