#!/bin/sh
# Runs after a removal and after an upgrade.
set -e
if [ -d /run/systemd/system ]; then
	systemctl daemon-reload
fi
