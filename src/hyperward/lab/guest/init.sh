#!/bin/busybox sh
# The VM's first process: brings up the network from the kernel command line, serves a small site and an SSH banner,
# starts the console, which says on ttyS0 when all is ready. It must never end: the kernel would panic.
/bin/busybox --install -s /bin
export PATH=/bin HOME=/tmp
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
exec </dev/null >/dev/ttyS0 2>&1

value() { # value NAME: what the kernel command line says about it
  for word in $(cat /proc/cmdline); do
    case $word in "$1="*) echo "${word#*=}" ;; esac
  done
}

while read -r module; do insmod "/modules/$module" || echo "HYPERWARD-FAILED module $module"; done </modules/order
tries=0
until [ -e /sys/class/net/eth0 ] || [ "$tries" -ge 100 ]; do tries=$((tries + 1)); usleep 50000; done

for scope in all default eth0; do
  echo 0 >"/proc/sys/net/ipv6/conf/$scope/accept_dad"
  echo 0 >"/proc/sys/net/ipv6/conf/$scope/accept_ra"
done
hostname "$(value hw.name)"
ip link set lo up
ip link set eth0 up
ip addr add "$(value hw.ip4)" dev eth0
ip addr add "$(value hw.ip6)" dev eth0

: >/var/log/httpd
: >/var/log/ssh
httpd -f -vv -p 80 -h /www 2>>/var/log/httpd &
nc -ll -p 22 -e /bin/hw-ssh &
listening() { # both ports, in hexadecimal, state 0A
  [ "$(cat /proc/net/tcp /proc/net/tcp6 | awk '$2 ~ /:(0050|0016)$/ && $4 == "0A"' | wc -l)" -ge 2 ]
}
tries=0
until listening || [ "$tries" -ge 100 ]; do tries=$((tries + 1)); usleep 50000; done

/bin/hw-console &
# The first process inherits orphans: it does nothing but bury them.
while :; do wait; sleep 1; done
