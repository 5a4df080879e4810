#!/bin/busybox sh
# An SSH server up to the point where scanners are satisfied: banner out, banner in, key exchange offer out.
printf 'SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u3\r\n'
read -r banner
echo "$banner" >>/var/log/ssh
cat /etc/ssh-kexinit
