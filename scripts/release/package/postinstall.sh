#!/bin/sh
# Runs after an installation and after an upgrade, of the deb and of the rpm.
set -e
if [ -d /run/systemd/system ]; then
	systemctl daemon-reload
	# This restarts a running service. A new one has no settings yet.
	systemctl try-restart capture-keepalive.service || true
fi
