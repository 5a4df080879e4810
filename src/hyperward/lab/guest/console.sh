#!/bin/busybox sh
# The VM's keyboard: one request a line on ttyS1, of an id, the seconds it may take, and the command in base64.
# A process of its own, not the first one: the death of an orphan would interrupt `read`, and what was read is lost.
stty -F /dev/ttyS1 raw -echo
exec 3<>/dev/ttyS1
echo HYPERWARD-READY >/dev/ttyS0
while :; do
  read -r id seconds command <&3 || { sleep 1; continue; }
  echo "$command" | base64 -d >/tmp/.command
  echo "BEGIN $id" >&3
  timeout -s KILL "$seconds" sh /tmp/.command </dev/null >&3 2>&1 3<&-
  status=$?
  echo >&3
  echo "END $id $status" >&3
done
